package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.model.SiteNames.Tool;
import dev.fathom.model.TinyModels.TinyModel;
import dev.fathom.tensor.DType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SiteNamesTest {
  private static TinyModel llama;
  private static TinyModel gpt2;
  private static TinyModel neox;
  private static TinyModel gemma;
  private static TinyModel bloom;

  @BeforeAll
  static void make() {
    llama = TinyModels.llama(DType.F32);
    gpt2 = TinyModels.gpt2(DType.F32);
    neox = TinyModels.neox(DType.F32);
    gemma = TinyModels.gemma(DType.F32);
    bloom = TinyModels.bloom(DType.F32);
  }

  @AfterAll
  static void free() {
    for (TinyModel tiny : new TinyModel[] {llama, gpt2, neox, gemma, bloom}) {
      tiny.close();
    }
  }

  private static Transformer model(String name) {
    return (switch (name) {
          case "llama" -> llama;
          case "gpt2" -> gpt2;
          case "neox" -> neox;
          case "gemma" -> gemma;
          default -> bloom;
        })
        .model();
  }

  @ParameterizedTest
  @CsvSource({
    "hook_embed, embed",
    "hook_pos_embed, pos_embed",
    "blocks.4.hook_resid_pre, resid_pre.4",
    "blocks.4.ln1.hook_scale, norm_scale.attn.4",
    "blocks.4.attn.hook_q, q.4",
    "blocks.4.attn.hook_k, k.4",
    "blocks.4.attn.hook_v, v.4",
    "blocks.4.attn.hook_rot_q, q_rot.4",
    "blocks.4.attn.hook_rot_k, k_rot.4",
    "blocks.4.attn.hook_attn_scores, scores.4",
    "blocks.4.attn.hook_pattern, pattern.4",
    "blocks.4.attn.hook_z, z.4",
    "blocks.4.attn.hook_result, head_out.4",
    "blocks.4.hook_attn_out, attn_out.4",
    "blocks.4.hook_resid_mid, resid_mid.4",
    "blocks.4.ln2.hook_scale, norm_scale.mlp.4",
    "blocks.4.mlp.hook_pre, mlp_gate.4",
    "blocks.4.mlp.hook_pre_linear, mlp_up.4",
    "blocks.4.mlp.hook_post, mlp_act.4",
    "blocks.4.hook_mlp_out, mlp_out.4",
    "blocks.4.hook_resid_post, resid_post.4",
    "ln_final.hook_scale, norm_scale.final"
  })
  void transformerLensIsTranslatedBothWays(String theirs, String ours) {
    Site site = SiteNames.from(theirs);
    assertThat(site).hasToString(ours);
    assertThat(SiteNames.toTransformerLens(site)).isEqualTo(theirs);
  }

  @ParameterizedTest
  @CsvSource({
    "model.layers.4.input, resid_pre.4",
    "model.layers.4.output, resid_post.4",
    "model.layers.4.input_layernorm.input, resid_pre.4",
    "model.layers.4.input_layernorm.output, attn_in.4",
    "model.layers.4.self_attn.q_proj.output, q.4",
    "model.layers.4.self_attn.o_proj.input, z.4",
    "model.layers.4.self_attn.output, attn_raw.4",
    "model.layers.4.mlp.gate_proj.output, mlp_gate.4",
    "model.layers.4.mlp.up_proj.output, mlp_up.4",
    "model.layers.4.mlp.down_proj.input, mlp_act.4",
    "model.layers.4.mlp.output, mlp_raw.4",
    "model.layers.4.post_feedforward_layernorm.output, mlp_out.4",
    "transformer.h.4.attn.c_proj.input, z.4",
    "transformer.h.4.mlp.c_proj.input, mlp_act.4",
    "gpt_neox.layers.4.post_attention_layernorm.output, mlp_in.4",
    "gpt_neox.layers.4.attention.dense.input, z.4",
    "model.norm.output, final_norm",
    "lm_head.input, final_norm",
    "attentions[4], pattern.4",
    "logits, logits",
    "resid_post.4, resid_post.4",
    "value.4, v.4",
    "attn_probs.4, pattern.4",
    "attn_scores.4, scores.4",
    "attn_out_post.4, attn_out.4",
    "mlp_out_post.4, mlp_out.4",
    "mlp_pre_linear.4, mlp_up.4",
    "final_norm, final_norm",
    "layers_input[4], resid_pre.4",
    "attentions_output[4], attn_raw.4",
    "mlps_output[4], mlp_raw.4",
    "attention_probabilities[4], pattern.4",
    "block_output.4, resid_post.4",
    "layer_4_repr_block_input_unit_pos_nunit_1#0, resid_pre.4",
    "layer.4.comp.attention_value_output.unit.pos.nunit.1#0, z.4",
    "head_query_output.4, q.4",
    "mlp_output.4, mlp_raw.4"
  })
  void namesThatMeanTheSameOnEveryModelAreTranslated(String theirs, String ours) {
    assertThat(SiteNames.from(theirs)).hasToString(ours);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "mlp_out.4 | say whose name it is",
        "attn_out.4 | say whose name it is",
        "mlp_activation.4 | only the activated gate in gated ones: give the model",
        "blocks.4.attn.hook_out | name a module's ends, not a quantity",
        "blocks.4.hook_in | name a module's ends",
        "unembed.hook_out | name a module's ends",
        "blocks.4.ln1.hook_normalized | attn_in and mlp_in are the norm's output with its gain",
        "ln_final.hook_normalized | final_norm is",
        "blocks.4.hook_mlp_in | copy of the stream before the norm",
        "blocks.4.hook_attn_in | copy of the stream before the norm",
        "blocks.4.attn.hook_nothing | no such hook",
        "blocks.4.hook_embed | no such hook",
        "hook_resid_pre | no such hook",
        "q_norm_out.4 | between q and q_rot",
        "hidden_states[4] | give the model",
        "hidden_states[-1] | give the model",
        "attentions[-1] | needs the model",
        "model.layers.4.post_attention_layernorm.output | before the MLP in some families",
        "model.layers.4.mlp | write model.layers.4.mlp.input or model.layers.4.mlp.output",
        "model.layers.4.rotary.output | no site there",
        "transformer.h.4.attn.c_attn.output | queries, keys and values in one",
        "model.embed_tokens.output | give the model",
        "lm_head.output | before that, logits after",
        "lm_head | before that, logits after",
        "some.module.output | not a module of",
        "past_key_values[3] | only hidden_states",
      })
  void ambiguousNamesAreRefusedWithTheReason(String name, String reason) {
    assertThatThrownBy(() -> SiteNames.from(name))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("'" + name + "' cannot be translated")
        .hasMessageContaining(reason);
  }

  @ParameterizedTest
  @CsvSource({
    "llama, HUGGING_FACE, model.layers.1.post_attention_layernorm.output, mlp_in.1",
    "llama, HUGGING_FACE, model.layers.1.post_attention_layernorm.input, resid_mid.1",
    "gemma, HUGGING_FACE, model.layers.1.post_attention_layernorm.output, attn_out.1",
    "gemma, HUGGING_FACE, model.layers.1.post_attention_layernorm.input, attn_raw.1",
    "neox, HUGGING_FACE, gpt_neox.layers.1.post_attention_layernorm.input, resid_pre.1",
    "gpt2, HUGGING_FACE, transformer.h.1.ln_2.input, resid_mid.1",
    "neox, HUGGING_FACE, transformer.h.1.ln_2.input, resid_pre.1",
    "llama, HUGGING_FACE, hidden_states[2], resid_pre.2",
    "llama, HUGGING_FACE, hidden_states[-2], resid_pre.2",
    "llama, HUGGING_FACE, attentions[-1], pattern.2",
    "llama, HUGGING_FACE, model.embed_tokens.output, embed",
    "llama, HUGGING_FACE, lm_head.output, logits",
    "llama, HUGGING_FACE, model.layers.1.self_attn.q_proj.input, attn_in.1",
    "gpt2, PYVENE, mlp_activation.1, mlp_act.1",
    "llama, INTERP_ENGINE, mlp_out.1, mlp_raw.1",
    "llama, INTERP_ENGINE, attn_out.1, attn_raw.1",
    "llama, INTERP_ENGINE, lm_head, logits",
    "llama, TRANSFORMER_LENS, blocks.1.attn.hook_attn_scores, scores.1"
  })
  void namesThatDependOnTheModelAreTranslatedOnIt(
      String model, Tool tool, String theirs, String ours) {
    assertThat(SiteNames.from(tool, theirs, model(model))).hasToString(ours);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "llama | mlp_activation.1 | activated gate before it meets the linear branch",
        "llama | hidden_states[3] | already normed by most families: write final_norm for that,"
            + " resid_post.2",
        "llama | hidden_states[-1] | already normed",
        "gemma | model.embed_tokens.output | embed is after scaling",
        "gemma | lm_head.output | before that, logits after",
        "neox | blocks.1.hook_resid_mid | it is resid_mid.1, which this model does not have",
        "llama | hook_pos_embed | it has no absolute position embedding",
        "llama | blocks.3.hook_resid_pre | it has layers 0 to 2",
        "gpt2 | model.layers.1.mlp.up_proj.output | its MLP is not gated",
        "bloom | blocks.1.attn.hook_attn_scores | with ALiBi the scores differ by a constant",
      })
  void whatIsAnotherTensorOnAModelIsRefusedThere(String model, String name, String reason) {
    assertThatThrownBy(() -> SiteNames.from(name, model(model)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(name)
        .hasMessageContaining(reason);
  }

  @ParameterizedTest
  @CsvSource({
    "llama, RESID_PRE, resid_pre.1, model.layers.1.input",
    "llama, RESID_POST, resid_post.1, model.layers.1.output",
    "llama, ATTN_IN, attn_in.1, model.layers.1.self_attn.q_proj.input",
    "llama, Z, z.1, model.layers.1.self_attn.o_proj.input",
    "llama, V, value.1, model.layers.1.self_attn.v_proj.output",
    "llama, ATTN_RAW, attn_out.1, model.layers.1.self_attn.o_proj.output",
    "llama, ATTN_OUT, attn_out.1, model.layers.1.self_attn.o_proj.output",
    "gemma, ATTN_RAW, attn_out.1, model.layers.1.self_attn.o_proj.output",
    "llama, PATTERN, attn_probs.1, attentions[1]",
    "llama, MLP_GATE, mlp_pre.1, model.layers.1.mlp.gate_proj.output",
    "llama, MLP_UP, mlp_pre_linear.1, model.layers.1.mlp.up_proj.output",
    "llama, MLP_ACT, mlp_act.1, model.layers.1.mlp.down_proj.input",
    "gpt2, MLP_ACT, mlp_act.1, model.layers.1.mlp.c_proj.input",
    "llama, MLP_OUT, mlp_out.1, model.layers.1.mlp.down_proj.output"
  })
  void sitesHaveNamesInTheOtherTools(String model, Kind kind, String interp, String face) {
    Site site = Site.of(kind, 1);
    assertThat(SiteNames.toInterpEngine(site, model(model))).isEqualTo(interp);
    assertThat(SiteNames.toHf(site, model(model))).isEqualTo(face);
  }

  @Test
  void theContributionHasItsOwnNameOnlyBehindAPostNorm() {
    assertThat(SiteNames.toInterpEngine(Site.of(Kind.MLP_OUT, 0), gemma.model()))
        .isEqualTo("mlp_out_post.0");
    assertThatThrownBy(() -> SiteNames.toHf(Site.of(Kind.MLP_OUT, 0), gemma.model()))
        .hasMessageContaining("not what the module returns");
  }

  @Test
  void sitesThatAToolDoesNotHaveAreRefused() {
    assertThatThrownBy(() -> SiteNames.toTransformerLens(Site.of(Kind.MLP_RAW, 0)))
        .hasMessageContaining("mlp_raw.0 has no name in TransformerLens");
    assertThatThrownBy(() -> SiteNames.toTransformerLens(Site.of(Kind.ATTN_IN, 0)))
        .hasMessageContaining("without it on RMSNorm");
    assertThatThrownBy(() -> SiteNames.toTransformerLens(Site.of(Kind.LOGITS)))
        .hasMessageContaining("what forward returns");
    assertThatThrownBy(() -> SiteNames.toHf(Site.of(Kind.SCORES, 0), llama.model()))
        .hasMessageContaining("no module's input or output");
    assertThatThrownBy(() -> SiteNames.toHf(Site.of(Kind.Q, 0), neox.model()))
        .hasMessageContaining("one module makes queries, keys and values");
    assertThatThrownBy(() -> SiteNames.toInterpEngine(Site.of(Kind.Q, 0), llama.model()))
        .hasMessageContaining("it has no point there");
    assertThatThrownBy(() -> SiteNames.toHf(Site.of(Kind.RESID_MID, 0), neox.model()))
        .hasMessageContaining("does not have");
  }

  @Test
  void everyNameThatIsGivenIsUnderstood() {
    for (TinyModel tiny : new TinyModel[] {llama, gpt2, neox, gemma, bloom}) {
      for (Site site : Sites.of(tiny.model())) {
        String face;
        try {
          face = SiteNames.toHf(site, tiny.model());
        } catch (IllegalArgumentException e) {
          continue;
        }
        Site back = SiteNames.from(Tool.HUGGING_FACE, face, tiny.model());
        boolean sameTensor =
            back.equals(site)
                || (site.kind() == Kind.ATTN_OUT && back.kind() == Kind.ATTN_RAW)
                || (site.kind() == Kind.MLP_OUT && back.kind() == Kind.MLP_RAW);
        assertThat(sameTensor).as("%s -> %s -> %s", site, face, back).isTrue();
      }
    }
  }
}
