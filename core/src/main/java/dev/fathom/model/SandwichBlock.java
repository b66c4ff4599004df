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
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Norms after the sublayers as well as before: x + P1(Attn(N1 x)), then + P2(Mlp(N2 x)) (Gemma 2:
/// Gemma Team 2024, section 2). OLMo 2 (OLMo Team 2024, section 2.1) has only the norms after; N1
/// and N2 are absent there.
public record SandwichBlock(
    @Nullable Norm norm1,
    Attention attention,
    Norm post1,
    @Nullable Norm norm2,
    Mlp mlp,
    Norm post2)
    implements Block {
  @Override
  public Tensor forward(int layer, Tensor x, Pass pass) {
    x = pass.at(RESID_PRE, layer, x); // [tokens, dModel]
    Tensor read = norm1 == null ? x : norm1.of(x, NORM_SCALE_ATTN, layer, pass);
    read = pass.at(ATTN_IN, layer, read);
    Tensor attn = pass.at(ATTN_OUT, layer, post1.of(attention.forward(layer, read, pass)));
    x = pass.at(RESID_MID, layer, pass.narrow(x).add(attn)); // [queries, dModel]
    read = norm2 == null ? x : norm2.of(x, NORM_SCALE_MLP, layer, pass);
    read = pass.at(MLP_IN, layer, read);
    x = x.add(pass.at(MLP_OUT, layer, post2.of(mlp.forward(layer, read, pass))));
    return pass.at(RESID_POST, layer, x);
  }

  @Override
  public Optional<String> refusal(Kind kind) {
    boolean absent =
        (kind == NORM_SCALE_ATTN && norm1 == null) || (kind == NORM_SCALE_MLP && norm2 == null);
    return absent
        ? Optional.of("its blocks have no norm before the sublayer, only after it")
        : Block.super.refusal(kind);
  }

  @Override
  public Steps steps() {
    return new Steps(norm1, post1, null, norm2, post2, null, 1, false);
  }
}
