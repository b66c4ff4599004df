package dev.fathom.model;

import static dev.fathom.model.Kind.ATTN_IN;
import static dev.fathom.model.Kind.ATTN_OUT;
import static dev.fathom.model.Kind.MLP_IN;
import static dev.fathom.model.Kind.MLP_OUT;
import static dev.fathom.model.Kind.NORM_SCALE_ATTN;
import static dev.fathom.model.Kind.NORM_SCALE_MLP;
import static dev.fathom.model.Kind.RESID_POST;
import static dev.fathom.model.Kind.RESID_PRE;

import dev.fathom.tensor.Tensor;
import java.util.Optional;

/// Parallel block: x + Attn(N1 x) + Mlp(N2 x), both reading the same stream (GPT-J: Wang and
/// Komatsuzaki 2021; GPT-NeoX: Black et al. 2022, section 2.1). Where a family has one norm for
/// both, N1 is N2.
public record ParallelBlock(Norm norm1, Attention attention, Norm norm2, Mlp mlp) implements Block {
  @Override
  public Tensor forward(int layer, Tensor x, Pass pass) {
    x = pass.at(RESID_PRE, layer, x); // [tokens, dModel]
    Tensor read = pass.at(ATTN_IN, layer, norm1.of(x, NORM_SCALE_ATTN, layer, pass));
    Tensor attn = pass.at(ATTN_OUT, layer, attention.forward(layer, read, pass));
    x = pass.narrow(x); // [queries, dModel]
    read = pass.at(MLP_IN, layer, norm2.of(x, NORM_SCALE_MLP, layer, pass));
    Tensor out = pass.at(MLP_OUT, layer, mlp.forward(layer, read, pass));
    return pass.at(RESID_POST, layer, x.add(attn).add(out));
  }

  @Override
  public Optional<String> refusal(Kind kind) {
    return kind == Kind.RESID_MID
        ? Optional.of(
            "its blocks add attention and MLP in one step: there is no stream between them")
        : Block.super.refusal(kind);
  }

  @Override
  public Steps steps() {
    return new Steps(norm1, null, null, norm2, null, null, 1, true);
  }
}
