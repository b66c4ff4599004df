package dev.fathom.model;

import static dev.fathom.model.Kind.FINAL_NORM;
import static dev.fathom.model.Kind.LOGITS;
import static dev.fathom.model.Kind.NORM_SCALE_FINAL;

import dev.fathom.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/// From the stream to logits. What it does to the last block's stream, the lens does to any
/// other's.
public sealed interface Head {
  /// `x [queries, dModel] -> [queries, columns]` as part of a pass.
  Tensor forward(Tensor x, Pass pass);

  /// The vectors the last linear map reads, `[n, dModel] -> [n, dModel]`.
  Tensor read(Tensor x);

  /// The linear map to the vocabulary or the labels.
  Linear out();

  /// Logits of any vectors of the stream, `[n, dModel] -> [n, vocab]`: the logit lens.
  default Tensor of(Tensor x) {
    return shaped(out().of(read(x)));
  }

  /// Scale and soft-cap of the logits.
  default Tensor shaped(Tensor logits) {
    return logits;
  }

  /// Whether logits are an affine function of what the last map reads: not where they are capped.
  default boolean isAffine() {
    return true;
  }

  /// The way back through the last map and what shapes its logits: from a gradient with respect to
  /// logits to that with respect to what [#read] gave, `[n, vocab] -> [n, dModel]`.
  ///
  /// @param logits as [#shaped] gave them, in the gradient's type; not looked at where the head is
  ///   affine
  default Tensor back(Tensor gradient, Tensor logits) {
    return out().weight().back(gradient.to(out().weight().values().dtype()));
  }

  /// Final norm and unembedding: `cap(W_U N(x) · scale)`.
  ///
  /// @param norm null where the stream is read as it is
  /// @param scale factor on the logits (Granite: 1 / logits_scaling), usually 1
  /// @param softCap `cap · tanh(logits / cap)` (Gemma 2), 0 for none
  record Unembedding(@Nullable Norm norm, Linear out, double scale, double softCap)
      implements Head {
    public Unembedding(Norm norm, Linear out) {
      this(norm, out, 1, 0);
    }

    @Override
    public Tensor forward(Tensor x, Pass pass) {
      Tensor read = norm == null ? x : norm.of(x, NORM_SCALE_FINAL, -1, pass);
      read = pass.at(FINAL_NORM, -1, read);
      return pass.at(LOGITS, -1, shaped(columns(out, read, pass)));
    }

    @Override
    public Tensor read(Tensor x) {
      return norm == null ? x : norm.of(x);
    }

    @Override
    public Tensor shaped(Tensor logits) {
      Tensor scaled = scale == 1 ? logits : logits.mul(scale);
      return softCap == 0 ? scaled : scaled.div(softCap).tanh().mul(softCap);
    }

    @Override
    public boolean isAffine() {
      return softCap == 0;
    }

    @Override
    public Tensor back(Tensor gradient, Tensor logits) {
      Tensor inner = gradient;
      if (softCap != 0) { // cap · tanh(l / cap) has the slope 1 − tanh²
        inner = gradient.sub(gradient.mul(logits.div(softCap).square()));
      }
      Tensor before = Head.super.back(inner, logits);
      return scale == 1 ? before : before.mul(scale);
    }
  }

  /// BERT's masked-LM head: transform, activation, norm, then the tied table and its bias.
  record MaskedLm(Linear transform, Activation activation, Norm norm, Linear out) implements Head {
    @Override
    public Tensor forward(Tensor x, Pass pass) {
      Tensor read = norm.of(activation.of(transform.of(x)), NORM_SCALE_FINAL, -1, pass);
      read = pass.at(FINAL_NORM, -1, read);
      return pass.at(LOGITS, -1, columns(out, read, pass));
    }

    @Override
    public Tensor read(Tensor x) {
      return norm.of(activation.of(transform.of(x)));
    }
  }

  /// BERT's sequence classifier: tanh of the pooled vector, then one logit a label. A row's class
  /// is read at its first token; here every token gets its logits, the caller takes the first.
  record Classifier(Linear pooler, Linear out) implements Head {
    @Override
    public Tensor forward(Tensor x, Pass pass) {
      Tensor read = pass.at(FINAL_NORM, -1, read(x));
      return pass.at(LOGITS, -1, columns(out, read, pass));
    }

    @Override
    public Tensor read(Tensor x) {
      return pooler.of(x).tanh();
    }
  }

  /// Only the columns of the logits that are wanted.
  private static Tensor columns(Linear out, Tensor x, Pass pass) {
    long[] columns = pass.wanted().columns();
    if (columns == null) {
      return out.of(x);
    }
    Tensor index = Tensor.of(columns, columns.length);
    Tensor bias = out.bias() == null ? null : out.bias().indexSelect(0, index);
    return x.linear(out.weight().values().indexSelect(0, index), bias); // nothing to prepare
  }
}
