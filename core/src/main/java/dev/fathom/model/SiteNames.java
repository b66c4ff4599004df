package dev.fathom.model;

import static dev.fathom.model.Kind.ATTN_IN;
import static dev.fathom.model.Kind.ATTN_OUT;
import static dev.fathom.model.Kind.ATTN_RAW;
import static dev.fathom.model.Kind.EMBED;
import static dev.fathom.model.Kind.EMBED_NORM;
import static dev.fathom.model.Kind.FINAL_NORM;
import static dev.fathom.model.Kind.HEAD_OUT;
import static dev.fathom.model.Kind.K;
import static dev.fathom.model.Kind.K_ROT;
import static dev.fathom.model.Kind.LOGITS;
import static dev.fathom.model.Kind.MLP_ACT;
import static dev.fathom.model.Kind.MLP_GATE;
import static dev.fathom.model.Kind.MLP_IN;
import static dev.fathom.model.Kind.MLP_OUT;
import static dev.fathom.model.Kind.MLP_RAW;
import static dev.fathom.model.Kind.MLP_UP;
import static dev.fathom.model.Kind.NORM_SCALE_ATTN;
import static dev.fathom.model.Kind.NORM_SCALE_FINAL;
import static dev.fathom.model.Kind.NORM_SCALE_MLP;
import static dev.fathom.model.Kind.PATTERN;
import static dev.fathom.model.Kind.POS_EMBED;
import static dev.fathom.model.Kind.Q;
import static dev.fathom.model.Kind.Q_ROT;
import static dev.fathom.model.Kind.RESID_MID;
import static dev.fathom.model.Kind.RESID_POST;
import static dev.fathom.model.Kind.RESID_PRE;
import static dev.fathom.model.Kind.SCORES;
import static dev.fathom.model.Kind.TOKEN_TYPE_EMBED;
import static dev.fathom.model.Kind.V;
import static dev.fathom.model.Kind.Z;

import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// What other tools call the sites, in both directions. The same word often means another tensor
/// elsewhere, so nothing is translated unless asked for, and a name that is ambiguous, or that has
/// no tensor here, is refused with the reason.
///
/// ```java
/// SiteNames.from("blocks.4.hook_mlp_out")                   // mlp_out.4
/// SiteNames.from("model.layers.4.mlp.down_proj.input")      // mlp_act.4
/// SiteNames.from("mlp_out.4")                               // refused: whose mlp_out?
/// SiteNames.from(Tool.INTERP_ENGINE, "mlp_out.4", model)    // mlp_raw.4
/// ```
///
/// | here | TransformerLens | interp-engine | Hugging Face (LLaMA) |
/// |---|---|---|---|
/// | `resid_pre.L` | `blocks.L.hook_resid_pre` | `resid_pre.L` | `model.layers.L.input`, `hidden_states[L]` |
/// | `z.L` | `blocks.L.attn.hook_z` | `z.L` | `model.layers.L.self_attn.o_proj.input` |
/// | `attn_raw.L` | none | `attn_out.L` | `model.layers.L.self_attn.output` |
/// | `attn_out.L` | `blocks.L.hook_attn_out` | `attn_out_post.L` with post-norms | depends on the family |
/// | `mlp_act.L` | `blocks.L.mlp.hook_post` | `mlp_act.L` | `model.layers.L.mlp.down_proj.input` |
/// | `mlp_raw.L` | none | `mlp_out.L` | `model.layers.L.mlp.output` |
/// | `mlp_out.L` | `blocks.L.hook_mlp_out` | `mlp_out_post.L` with post-norms | depends on the family |
///
/// A Hugging Face name is a module's path followed by `.input` or `.output`. Traps:
///
/// - The contribution to the stream (`mlp_out`) and the module's return (`mlp_raw`) differ wherever
///   there is a post-norm or a multiplier; on Gemma 2 their cosine is 0.2 to 0.4.
/// - TransformerLens' `W_in` and `hook_pre_linear` are Hugging Face's `up_proj`; `W_gate` and
///   `hook_pre` are `gate_proj`.
/// - Hugging Face's `post_attention_layernorm` is the norm before the MLP on LLaMA, Qwen and
///   Mistral, and a real norm after attention on Gemma 2 and OLMo 2.
/// - The last of Hugging Face's `hidden_states` is already normed: it is no `resid_post`.
public final class SiteNames {
  private SiteNames() {}

  /// Whose names.
  public enum Tool {
    /// TransformerLens 1 and 2, and the aliases kept in 3.
    TRANSFORMER_LENS,
    /// Module paths of Hugging Face's transformers, with `.input` or `.output`.
    HUGGING_FACE,
    INTERP_ENGINE,
    NNTERP,
    PYVENE
  }

  private static final Map<String, Kind> LENS =
      Map.ofEntries(
          Map.entry("hook_embed", EMBED),
          Map.entry("hook_pos_embed", POS_EMBED),
          Map.entry("ln_final.hook_scale", NORM_SCALE_FINAL),
          Map.entry("hook_resid_pre", RESID_PRE),
          Map.entry("ln1.hook_scale", NORM_SCALE_ATTN),
          Map.entry("attn.hook_q", Q),
          Map.entry("attn.hook_k", K),
          Map.entry("attn.hook_v", V),
          Map.entry("attn.hook_rot_q", Q_ROT),
          Map.entry("attn.hook_rot_k", K_ROT),
          Map.entry("attn.hook_attn_scores", SCORES),
          Map.entry("attn.hook_pattern", PATTERN),
          Map.entry("attn.hook_z", Z),
          Map.entry("attn.hook_result", HEAD_OUT),
          Map.entry("hook_attn_out", ATTN_OUT),
          Map.entry("hook_resid_mid", RESID_MID),
          Map.entry("ln2.hook_scale", NORM_SCALE_MLP),
          Map.entry("mlp.hook_pre", MLP_GATE),
          Map.entry("mlp.hook_pre_linear", MLP_UP),
          Map.entry("mlp.hook_post", MLP_ACT),
          Map.entry("hook_mlp_out", MLP_OUT),
          Map.entry("hook_resid_post", RESID_POST));

  private static final Map<String, Kind> INTERP =
      Map.ofEntries(
          Map.entry("resid_pre", RESID_PRE),
          Map.entry("attn_in", ATTN_IN),
          Map.entry("value", V),
          Map.entry("attn_scores", SCORES),
          Map.entry("attn_probs", PATTERN),
          Map.entry("z", Z),
          Map.entry("attn_out", ATTN_RAW),
          Map.entry("attn_out_post", ATTN_OUT),
          Map.entry("resid_mid", RESID_MID),
          Map.entry("mlp_pre", MLP_GATE),
          Map.entry("mlp_pre_linear", MLP_UP),
          Map.entry("mlp_act", MLP_ACT),
          Map.entry("mlp_out", MLP_RAW),
          Map.entry("mlp_out_post", MLP_OUT),
          Map.entry("resid_post", RESID_POST),
          Map.entry("final_norm", FINAL_NORM),
          Map.entry("lm_head", LOGITS));

  private static final Map<String, Kind> NNTERP =
      Map.of(
          "layers_input", RESID_PRE,
          "layers_output", RESID_POST,
          "attentions_input", ATTN_IN,
          "attentions_output", ATTN_RAW,
          "attention_probabilities", PATTERN,
          "mlps_input", MLP_IN,
          "mlps_output", MLP_RAW);

  private static final Map<String, Kind> PYVENE =
      Map.ofEntries(
          Map.entry("block_input", RESID_PRE),
          Map.entry("block_output", RESID_POST),
          Map.entry("attention_input", ATTN_IN),
          Map.entry("attention_output", ATTN_RAW),
          Map.entry("attention_value_output", Z),
          Map.entry("head_attention_value_output", Z),
          Map.entry("query_output", Q),
          Map.entry("head_query_output", Q),
          Map.entry("key_output", K),
          Map.entry("head_key_output", K),
          Map.entry("value_output", V),
          Map.entry("head_value_output", V),
          Map.entry("mlp_input", MLP_IN),
          Map.entry("mlp_output", MLP_RAW),
          Map.entry("mlp_activation", MLP_ACT));

  /// Module paths within a block, of LLaMA and its kin, GPT-2 and GPT-NeoX.
  private static final Map<String, Kind> FACE =
      Map.ofEntries(
          Map.entry("input", RESID_PRE),
          Map.entry("output", RESID_POST),
          Map.entry("input_layernorm.output", ATTN_IN),
          Map.entry("self_attn.input", ATTN_IN),
          Map.entry("self_attn.q_proj.output", Q),
          Map.entry("self_attn.k_proj.output", K),
          Map.entry("self_attn.v_proj.output", V),
          Map.entry("self_attn.o_proj.input", Z),
          Map.entry("self_attn.o_proj.output", ATTN_RAW),
          Map.entry("self_attn.output", ATTN_RAW),
          Map.entry("pre_feedforward_layernorm.input", RESID_MID),
          Map.entry("pre_feedforward_layernorm.output", MLP_IN),
          Map.entry("post_feedforward_layernorm.input", MLP_RAW),
          Map.entry("post_feedforward_layernorm.output", MLP_OUT),
          Map.entry("mlp.input", MLP_IN),
          Map.entry("mlp.gate_proj.output", MLP_GATE),
          Map.entry("mlp.up_proj.output", MLP_UP),
          Map.entry("mlp.down_proj.input", MLP_ACT),
          Map.entry("mlp.down_proj.output", MLP_RAW),
          Map.entry("mlp.output", MLP_RAW),
          Map.entry("ln_1.input", RESID_PRE),
          Map.entry("ln_1.output", ATTN_IN),
          Map.entry("attn.input", ATTN_IN),
          Map.entry("attn.c_proj.input", Z),
          Map.entry("attn.c_proj.output", ATTN_RAW),
          Map.entry("attn.output", ATTN_RAW),
          Map.entry("ln_2.output", MLP_IN),
          Map.entry("mlp.c_fc.output", MLP_GATE),
          Map.entry("mlp.c_proj.input", MLP_ACT),
          Map.entry("mlp.c_proj.output", MLP_RAW),
          Map.entry("attention.input", ATTN_IN),
          Map.entry("attention.dense.input", Z),
          Map.entry("attention.dense.output", ATTN_RAW),
          Map.entry("attention.output", ATTN_RAW),
          Map.entry("mlp.dense_h_to_4h.output", MLP_GATE),
          Map.entry("mlp.dense_4h_to_h.input", MLP_ACT),
          Map.entry("mlp.dense_4h_to_h.output", MLP_RAW));

  private static final Map<String, Kind> FACE_GLOBAL =
      Map.of(
          "model.norm.output", FINAL_NORM,
          "transformer.ln_f.output", FINAL_NORM,
          "gpt_neox.final_layer_norm.output", FINAL_NORM,
          "lm_head.input", FINAL_NORM,
          "embed_out.input", FINAL_NORM,
          "transformer.wpe.output", POS_EMBED);

  private static final Pattern LENS_BLOCK = Pattern.compile("blocks\\.(\\d{1,6})\\.(.+)");
  private static final Pattern FACE_BLOCK =
      Pattern.compile("(model\\.layers|transformer\\.h|gpt_neox\\.layers)\\.(\\d{1,6})\\.(.+)");
  private static final Pattern INDEXED = Pattern.compile("(\\w+)\\[(-?\\d{1,6})]");
  private static final Pattern DOTTED = Pattern.compile("(\\w+)\\.(\\d{1,6})");
  private static final Pattern PYVENE_KEY =
      Pattern.compile("layer[._](\\d{1,6})[._](?:comp|repr)[._]([a-z_]+?)(?:[._]unit[._].*)?");
  private static final Pattern HF_LAYER_PATH = Pattern.compile("(.*\\.\\d+)\\..+");

  /// The site of a foreign name that means the same on every model.
  ///
  /// @throws IllegalArgumentException if the name is unknown, means different tensors in different
  ///   tools, or depends on the model: the message says what to ask instead
  public static Site from(String name) {
    return site(guess(name), name, null);
  }

  /// The site of a foreign name on a model.
  public static Site from(String name, Transformer model) {
    return checked(site(guess(name), name, model), name, model);
  }

  /// The site of a tool's name on a model.
  public static Site from(Tool tool, String name, Transformer model) {
    return checked(site(tool, name, model), name, model);
  }

  /// As [#from(String)], but empty instead of refusing.
  static Optional<Site> find(String name) {
    try {
      return Optional.of(from(name));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private static Site checked(Site site, String name, Transformer model) {
    Optional<String> reason = model.refusal(site);
    if (reason.isPresent()) {
      throw refused(
          name, "it is %s, which this model does not have: %s".formatted(site, reason.get()));
    }
    return site;
  }

  /// Which tool writes names like this.
  private static Tool guess(String name) {
    if (LENS_BLOCK.matcher(name).matches()
        || name.startsWith("hook_")
        || name.startsWith("ln_final.")
        || name.contains("unembed.")) {
      return Tool.TRANSFORMER_LENS;
    }
    Matcher indexed = INDEXED.matcher(name);
    if (indexed.matches()) {
      return NNTERP.containsKey(indexed.group(1)) ? Tool.NNTERP : Tool.HUGGING_FACE;
    }
    Matcher dotted = DOTTED.matcher(name);
    if (PYVENE_KEY.matcher(name).matches()
        || (dotted.matches() && PYVENE.containsKey(dotted.group(1)))) {
      return Tool.PYVENE;
    }
    String stem = dotted.matches() ? dotted.group(1) : name;
    if (stem.equals("attn_out") || stem.equals("mlp_out")) {
      throw refused(
          name,
          "%1$s is what the sublayer adds to the stream here and in TransformerLens, but what the module returns (%2$s here) in interp-engine and nnterp: say whose name it is"
              .formatted(stem, stem.equals("attn_out") ? "attn_raw" : "mlp_raw"));
    }
    if (INTERP.containsKey(stem) || stem.equals("q_norm_out") || stem.equals("k_norm_out")) {
      return Tool.INTERP_ENGINE;
    }
    return Tool.HUGGING_FACE;
  }

  private static Site site(Tool tool, String name, @Nullable Transformer model) {
    return switch (tool) {
      case TRANSFORMER_LENS -> fromLens(name, model);
      case HUGGING_FACE -> fromFace(name, model);
      case INTERP_ENGINE -> fromInterp(name, model);
      case NNTERP -> fromNnterp(name);
      case PYVENE -> fromPyvene(name, model);
    };
  }

  private static Site fromLens(String name, @Nullable Transformer model) {
    Matcher matcher = LENS_BLOCK.matcher(name);
    boolean layered = matcher.matches();
    String stem = layered ? matcher.group(2) : name;
    if (stem.endsWith("hook_normalized")) {
      throw refused(
          name,
          "it is the norm's output with its gain on LayerNorm, and without it on RMSNorm and"
              + " wherever the gain was folded into the weights (TransformerLens' default): "
              + (layered ? "attn_in and mlp_in are" : "final_norm is")
              + " the norm's output with its gain");
    }
    switch (stem) {
      case "hook_attn_in", "hook_q_input", "hook_k_input", "hook_v_input", "hook_mlp_in" ->
          throw refused(
              name,
              "it is a copy of the stream before the norm: that is resid_pre or resid_mid; attn_in"
                  + " and mlp_in are after the norm");
      default -> {}
    }
    if (stem.endsWith("hook_in") || stem.endsWith("hook_out")) {
      throw refused(
          name,
          "hook_in and hook_out name a module's ends, not a quantity (attn.hook_out is listed for"
              + " both resid_mid and attn_out): use the classic name, such as"
              + " blocks.4.hook_attn_out");
    }
    Kind kind = LENS.get(stem);
    if (kind == null || kind.layered() != layered) {
      throw refused(name, "TransformerLens has no such hook that Fathom knows");
    }
    if (kind == SCORES && model != null && model.blocks().getFirst().attention().alibi() != null) {
      throw refused(
          name,
          "with ALiBi the scores differ by a constant for each query (TransformerLens counts"
              + " distances, here as in transformers keys are counted from 0): the pattern is the"
              + " same");
    }
    return Site.of(kind, layered ? layer(matcher.group(1)) : -1);
  }

  private static Site fromInterp(String name, @Nullable Transformer model) {
    Matcher matcher = DOTTED.matcher(name);
    boolean layered = matcher.matches();
    String stem = layered ? matcher.group(1) : name;
    if (stem.equals("q_norm_out") || stem.equals("k_norm_out")) {
      throw refused(
          name,
          "it lies between q and q_rot (after the norm, before the rotation), where Fathom has no"
              + " site: q.L is before both, q_rot.L after both");
    }
    Kind kind = INTERP.get(stem);
    if (kind == null || kind.layered() != layered) {
      throw refused(name, "interp-engine has no such point that Fathom knows");
    }
    if (kind == LOGITS) {
      requirePlainLogits(name, model);
    }
    return Site.of(kind, layered ? layer(matcher.group(2)) : -1);
  }

  private static Site fromNnterp(String name) {
    Matcher matcher = INDEXED.matcher(name);
    Kind kind = matcher.matches() ? NNTERP.get(matcher.group(1)) : null;
    if (kind == null || matcher.group(2).startsWith("-")) {
      throw refused(name, "expected one of %s with a layer from 0".formatted(NNTERP.keySet()));
    }
    return Site.of(kind, layer(matcher.group(2)));
  }

  private static Site fromPyvene(String name, @Nullable Transformer model) {
    Matcher key = PYVENE_KEY.matcher(name);
    Matcher dotted = DOTTED.matcher(name);
    boolean isKey = key.matches();
    if (!isKey && !dotted.matches()) {
      throw refused(name, "expected a component and its layer, such as block_output.4");
    }
    String component = isKey ? key.group(2) : dotted.group(1);
    int layer = layer(isKey ? key.group(1) : dotted.group(2));
    Kind kind = PYVENE.get(component);
    if (kind == null) {
      throw refused(name, "pyvene has no component '%s' that Fathom knows".formatted(component));
    }
    if (kind == MLP_ACT) {
      if (model == null) {
        throw refused(
            name,
            "pyvene's mlp_activation is the neurons' activation in plain MLPs, but only the"
                + " activated gate in gated ones: give the model");
      }
      if (layer < model.layers() && model.blocks().get(layer).mlp() instanceof Mlp.Gated) {
        throw refused(
            name,
            "in this model's gated MLPs pyvene's mlp_activation is the activated gate before it meets the linear branch, where Fathom has no site: mlp_gate.%d is before the activation, mlp_act.%d after the product"
                .formatted(layer, layer));
      }
    }
    return Site.of(kind, layer);
  }

  private static Site fromFace(String name, @Nullable Transformer model) {
    Matcher indexed = INDEXED.matcher(name);
    if (indexed.matches()) {
      return fromFaceOutput(name, indexed.group(1), indexed.group(2), model);
    }
    if (name.equals("logits")) {
      return Site.of(LOGITS);
    }
    if (!name.endsWith(".input") && !name.endsWith(".output")) {
      throw refused(name, "a module has two ends: write %1$s.input or %1$s.output".formatted(name));
    }
    if (name.equals("lm_head.output") || name.equals("embed_out.output")) {
      requirePlainLogits(name, model);
      return Site.of(LOGITS);
    }
    if (name.equals("model.embed_tokens.output")
        || name.equals("transformer.wte.output")
        || name.equals("gpt_neox.embed_in.output")) {
      boolean scaled = model == null ? name.startsWith("model.") : model.embedding().scale() != 1;
      if (scaled) {
        throw refused(
            name,
            "where the embedding is scaled (Gemma, Granite) the module returns it before or after"
                + " that, depending on the version: embed is after scaling"
                + (model == null ? "; give the model" : ""));
      }
      return Site.of(EMBED);
    }
    Kind global = FACE_GLOBAL.get(name);
    if (global != null) {
      return Site.of(global);
    }
    Matcher matcher = FACE_BLOCK.matcher(name);
    if (!matcher.matches() || !FACE.containsKey(matcher.group(3))) {
      Optional<Site> own = model == null ? Optional.empty() : byCheckpoint(name, model);
      if (own.isPresent()) {
        return own.get();
      }
    }
    if (!matcher.matches()) {
      throw refused(
          name,
          "it is not a module of LLaMA's, GPT-2's or GPT-NeoX' naming, such as"
              + " model.layers.4.mlp.output");
    }
    int layer = layer(matcher.group(2));
    return Site.of(faceKind(name, matcher.group(1), matcher.group(3), layer, model), layer);
  }

  /// The site whose name on this model, taken from its checkpoint, is this one.
  private static Optional<Site> byCheckpoint(String name, Transformer model) {
    for (Kind kind : Kind.values()) {
      for (int layer = 0; kind.layered() && layer < model.layers(); layer++) {
        Site site = Site.of(kind, layer);
        try {
          if (toHf(site, model).equals(name)) {
            return Optional.of(site);
          }
        } catch (IllegalArgumentException e) {
          // this site has no name there
        }
      }
    }
    return Optional.empty();
  }

  private static Kind faceKind(
      String name, String prefix, String stem, int layer, @Nullable Transformer model) {
    if (stem.contains("qkv") || stem.contains("c_attn") || stem.contains("query_key_value")) {
      throw refused(
          name,
          "it is queries, keys and values in one: ask for q.%1$d, k.%1$d or v.%1$d"
              .formatted(layer));
    }
    if (stem.startsWith("post_attention_layernorm.")) {
      return afterAttentionNorm(name, prefix, stem.endsWith(".input"), layer, model);
    }
    if (stem.equals("ln_2.input")) {
      return needed(name, layer, model) instanceof ParallelBlock ? RESID_PRE : RESID_MID;
    }
    if (stem.equals("input_layernorm.input") || stem.equals("ln_1.input")) {
      return RESID_PRE;
    }
    Kind kind = FACE.get(stem);
    if (kind == null) {
      throw refused(name, "Fathom has no site there");
    }
    return kind;
  }

  /// Before the MLP in pre-norm families, after attention in sandwich ones.
  private static Kind afterAttentionNorm(
      String name, String prefix, boolean input, int layer, @Nullable Transformer model) {
    if (prefix.equals("gpt_neox.layers") && !input) {
      return MLP_IN;
    }
    return switch (needed(name, layer, model)) {
      case SandwichBlock _ -> input ? ATTN_RAW : ATTN_OUT;
      case SequentialBlock _ -> input ? RESID_MID : MLP_IN;
      case ParallelBlock _ -> input ? RESID_PRE : MLP_IN;
      case PostNormBlock _ -> throw refused(name, "post-norm encoders have no such module");
    };
  }

  private static Block needed(String name, int layer, @Nullable Transformer model) {
    if (model == null) {
      throw refused(
          name,
          "this norm stands before the MLP in some families (LLaMA, Qwen, Mistral) and after"
              + " attention in others (Gemma 2, OLMo 2): give the model");
    }
    if (layer >= model.layers()) {
      throw refused(name, "this model has layers 0 to " + (model.layers() - 1));
    }
    return model.blocks().get(layer);
  }

  private static Site fromFaceOutput(
      String name, String output, String index, @Nullable Transformer model) {
    return switch (output) {
      case "attentions" -> {
        if (index.startsWith("-") && model == null) {
          throw refused(name, "counting from the end needs the model");
        }
        yield Site.of(PATTERN, fromEnd(index, model == null ? 0 : model.layers()));
      }
      case "hidden_states" -> {
        if (model == null) {
          throw refused(
              name,
              "hidden_states[L] is resid_pre.L, except the last entry, which is already normed:"
                  + " give the model");
        }
        int layer = fromEnd(index, model.layers() + 1);
        if (layer == model.layers()) {
          throw refused(
              name,
              ("the last of hidden_states is already normed by most families: write final_norm for"
                      + " that, resid_post.%d for the stream before it")
                  .formatted(layer - 1));
        }
        yield Site.of(RESID_PRE, layer);
      }
      default -> throw refused(name, "only hidden_states[L] and attentions[L] are known outputs");
    };
  }

  private static int fromEnd(String index, int count) {
    int i = layer(index);
    return i < 0 ? count + i : i;
  }

  private static void requirePlainLogits(String name, @Nullable Transformer model) {
    boolean plain =
        model != null
            && (!(model.head() instanceof Head.Unembedding u)
                || (u.scale() == 1 && u.softCap() == 0));
    if (!plain) {
      throw refused(
          name,
          "where logits are scaled or capped (Gemma 2, Granite, Cohere) the head's output comes"
              + " before that, logits after"
              + (model == null ? ": give the model, or write logits" : ""));
    }
  }

  private static int layer(String digits) {
    return Integer.parseInt(digits);
  }

  /// TransformerLens' classic hook name.
  ///
  /// @throws IllegalArgumentException if there is no hook of the same meaning
  public static String toTransformerLens(Site site) {
    return switch (site.kind()) {
      case ATTN_IN, MLP_IN, FINAL_NORM ->
          throw unnamed(
              site,
              "TransformerLens",
              "hook_normalized is the norm's output with its gain on LayerNorm, without it on"
                  + " RMSNorm and folded models");
      case ATTN_RAW, MLP_RAW ->
          throw unnamed(
              site,
              "TransformerLens",
              "it hooks what is added to the stream, after post-norm and multiplier");
      case LOGITS -> throw unnamed(site, "TransformerLens", "the logits are what forward returns");
      case EMBED_NORM, TOKEN_TYPE_EMBED ->
          throw unnamed(site, "TransformerLens", "its hook_embed is the embedding alone");
      default -> {
        String stem = inverse(LENS, site.kind());
        yield site.layer() < 0 ? stem : "blocks." + site.layer() + "." + stem;
      }
    };
  }

  /// interp-engine's name on a model.
  ///
  /// @throws IllegalArgumentException if it has no point of the same meaning
  public static String toInterpEngine(Site site, Transformer model) {
    checked(site, site.toString(), model);
    if ((site.kind() == ATTN_OUT || site.kind() == MLP_OUT)
        && !(model.blocks().get(site.layer()) instanceof SandwichBlock)) {
      if (model.blocks().get(site.layer()) instanceof SequentialBlock b && b.multiplier() != 1) {
        throw unnamed(site, "interp-engine", "this model multiplies what its modules return");
      }
      return (site.kind() == ATTN_OUT ? "attn_out." : "mlp_out.") + site.layer();
    }
    if (site.kind() == LOGITS) {
      requirePlainLogits(site.toString(), model);
    }
    if (!INTERP.containsValue(site.kind())) {
      throw unnamed(site, "interp-engine", "it has no point there");
    }
    String stem = inverse(INTERP, site.kind());
    return site.layer() < 0 ? stem : stem + "." + site.layer();
  }

  /// The path of a module of Hugging Face's transformers and which end of it, on this model: taken
  /// from the names of the checkpoint's tensors, so that it holds for every family.
  ///
  /// @throws IllegalArgumentException if no module's input or output is that tensor, or the model
  ///   comes from a file that does not have transformers' names (GGUF)
  public static String toHf(Site site, Transformer model) {
    checked(site, site.toString(), model);
    if (site.kind() == LOGITS) {
      return "logits";
    }
    if (!site.kind().layered()) {
      throw unnamed(site, "transformers", "its path differs between families");
    }
    Block block = model.blocks().get(site.layer());
    Attention attention = block.attention();
    Linear mlpIn =
        switch (block.mlp()) {
          case Mlp.Plain plain -> plain.in();
          case Mlp.Gated gated -> gated.gate();
        };
    return switch (site.kind()) {
      case PATTERN -> "attentions[" + site.layer() + "]";
      case RESID_PRE -> layerPath(site, attention.out()) + ".input";
      case RESID_POST -> layerPath(site, attention.out()) + ".output";
      case ATTN_IN ->
          switch (attention.projections()) {
            case Attention.Projections.Separate s -> module(site, s.q()) + ".input";
            case Attention.Projections.Fused f -> module(site, f.qkv()) + ".input";
          };
      case Q, K, V ->
          switch (attention.projections()) {
            case Attention.Projections.Separate(Linear q, Linear k, Linear v) ->
                module(site, site.kind() == Q ? q : site.kind() == K ? k : v) + ".output";
            case Attention.Projections.Fused _ ->
                throw unnamed(site, "transformers", "one module makes queries, keys and values");
          };
      case Z -> module(site, attention.out()) + ".input";
      case ATTN_RAW -> module(site, attention.out()) + ".output";
      case MLP_IN -> module(site, mlpIn) + ".input";
      case MLP_GATE -> module(site, mlpIn) + ".output";
      case MLP_UP ->
          block.mlp() instanceof Mlp.Gated gated
              ? module(site, gated.up()) + ".output"
              : throwing(unnamed(site, "transformers", "the MLP is not gated"));
      case MLP_ACT -> module(site, block.mlp().out()) + ".input";
      case MLP_RAW -> module(site, block.mlp().out()) + ".output";
      case ATTN_OUT, MLP_OUT -> {
        if (block instanceof SandwichBlock
            || (block instanceof SequentialBlock b && b.multiplier() != 1)) {
          throw unnamed(
              site,
              "transformers",
              "here it is not what the module returns: see attn_raw and mlp_raw");
        }
        yield module(site, site.kind() == ATTN_OUT ? attention.out() : block.mlp().out())
            + ".output";
      }
      default -> throw unnamed(site, "transformers", "no module's input or output is that tensor");
    };
  }

  private static String throwing(IllegalArgumentException e) {
    throw e;
  }

  private static String layerPath(Site site, Linear within) {
    Matcher matcher = HF_LAYER_PATH.matcher(module(site, within));
    if (!matcher.matches()) {
      throw unnamed(site, "transformers", "the checkpoint's names have no layer number");
    }
    return matcher.group(1);
  }

  private static String module(Site site, Linear linear) {
    String tensor = linear.origin().tensor();
    if (!tensor.endsWith(".weight") || tensor.startsWith("blk.")) {
      throw unnamed(
          site,
          "transformers",
          "the weights do not have transformers' names ('%s')".formatted(tensor));
    }
    return tensor.substring(0, tensor.length() - ".weight".length());
  }

  private static String inverse(Map<String, Kind> names, Kind kind) {
    return names.entrySet().stream()
        .filter(e -> e.getValue() == kind)
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("no name for " + kind));
  }

  private static IllegalArgumentException refused(String name, String reason) {
    return new IllegalArgumentException("'%s' cannot be translated: %s".formatted(name, reason));
  }

  private static IllegalArgumentException unnamed(Site site, String tool, String reason) {
    return new IllegalArgumentException("%s has no name in %s: %s".formatted(site, tool, reason));
  }
}
