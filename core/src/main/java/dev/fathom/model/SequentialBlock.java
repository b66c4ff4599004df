package dev.fathom.model;

import static dev.fathom.model.Kind.ATTN_IN;
import static dev.fathom.model.Kind.ATTN_OUT;
import static dev.fathom.model.Kind.MLP_IN;
import static dev.fathom.model.Kind.MLP_OUT;
import static dev.fathom.model.Kind.NORM_SCALE_ATTN;
import static dev.fathom.model.Kind.NORM_SCALE_MLP;
import static dev.fathom.model.Kind.RESID_MID;
import static dev.fathom.model.Kind.RESID_POST;
import static dev.fathom.model.Kind.RESID_PRE;

import dev.fathom.tensor.Tensor;

/// Pre-norm block: x + Attn(N1 x), then + Mlp(N2 x) (GPT-2; LLaMA: Touvron et al. 2023, section
/// 2.2).
///
/// @param multiplier factor on what each sublayer adds (Granite), otherwise 1
public record SequentialBlock(
    Norm norm1, Attention attention, Norm norm2, Mlp mlp, double multiplier) implements Block {
  public SequentialBlock(Norm norm1, Attention attention, Norm norm2, Mlp mlp) {
    this(norm1, attention, norm2, mlp, 1);
  }

  @Override
  public Tensor forward(int layer, Tensor x, Pass pass) {
    x = pass.at(RESID_PRE, layer, x); // [tokens, dModel]
    Tensor read = pass.at(ATTN_IN, layer, norm1.of(x, NORM_SCALE_ATTN, layer, pass));
    Tensor attn = pass.at(ATTN_OUT, layer, scaled(attention.forward(layer, read, pass)));
    x = pass.at(RESID_MID, layer, pass.narrow(x).add(attn)); // [queries, dModel]
    read = pass.at(MLP_IN, layer, norm2.of(x, NORM_SCALE_MLP, layer, pass));
    x = x.add(pass.at(MLP_OUT, layer, scaled(mlp.forward(layer, read, pass))));
    return pass.at(RESID_POST, layer, x);
  }

  private Tensor scaled(Tensor x) {
    return multiplier == 1 ? x : x.mul(multiplier);
  }

  @Override
  public Steps steps() {
    return new Steps(norm1, null, null, norm2, null, null, multiplier, false);
  }
}
