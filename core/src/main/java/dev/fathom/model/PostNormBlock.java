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

/// Post-norm block: x = N1(x + Attn x), then x = N2(x + Mlp x) (Vaswani et al. 2017; BERT). The sum
/// `resid_pre + attn_out` holds before N1, `resid_mid + mlp_out` before N2.
public record PostNormBlock(Attention attention, Norm norm1, Mlp mlp, Norm norm2) implements Block {
  @Override
  public Tensor forward(int layer, Tensor x, Pass pass) {
    x = pass.at(RESID_PRE, layer, x); // [tokens, dModel]
    Tensor read = pass.at(ATTN_IN, layer, x);
    Tensor attn = pass.at(ATTN_OUT, layer, attention.forward(layer, read, pass));
    x = norm1.of(pass.narrow(x).add(attn), NORM_SCALE_ATTN, layer, pass); // [queries, dModel]
    x = pass.at(RESID_MID, layer, x);
    read = pass.at(MLP_IN, layer, x);
    Tensor out = pass.at(MLP_OUT, layer, mlp.forward(layer, read, pass));
    x = norm2.of(x.add(out), NORM_SCALE_MLP, layer, pass);
    return pass.at(RESID_POST, layer, x);
  }

  @Override
  public Steps steps() {
    return new Steps(null, null, norm1, null, null, norm2, 1, false);
  }
}
