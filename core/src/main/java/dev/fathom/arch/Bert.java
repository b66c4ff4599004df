package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.model.Activation;
import dev.fathom.model.Attention;
import dev.fathom.model.Attention.Projections;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import dev.fathom.model.Linear;
import dev.fathom.model.Mlp;
import dev.fathom.model.Positions;
import dev.fathom.model.PostNormBlock;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/// BERT: post-norm encoder with learned positions and segment embeddings; masked-LM head or
/// classifier (Devlin et al. 2019).
final class Bert {
  static final Family FAMILY =
      new Family(
          "bert",
          "BERT",
          List.of("BertForMaskedLM", "BertForSequenceClassification", "BertForPreTraining"),
          (config, weights) -> read(config, weights, "bert", 0));

  private Bert() {}

  /// @param base prefix of the encoder's weights
  /// @param offset the row of the position table that position 0 uses
  static Family.Parts read(ConfigReader config, Weights weights, String base, int offset) {
    Shapes s = Shapes.read(config);
    double eps = config.doubleOr(1e-12, "layer_norm_eps");
    int segments = config.intOr(2, "type_vocab_size");
    Activation activation = Shapes.activation(config, "gelu", "hidden_act");
    boolean classifier =
        config.strings("architectures").orElse(List.of()).stream()
            .anyMatch(name -> name.endsWith("ForSequenceClassification"));
    config
        .mustBe("is_decoder", false)
        .mustBe("add_cross_attention", false)
        .mustBe("position_embedding_type", "absolute")
        .harmless("tie_word_embeddings");
    config.finish();

    weights
        .ledger()
        .olderSpelling("LayerNorm.weight", "LayerNorm.gamma")
        .olderSpelling("LayerNorm.bias", "LayerNorm.beta")
        .harmless(".*embeddings\\.position_ids")
        .harmless("cls\\.seq_relationship\\..*");
    int d = s.dModel();
    String embeddings = base + ".embeddings";
    String words = embeddings + ".word_embeddings.weight";
    Tensor table = weights.tensor(words, s.vocab(), d);
    Tensor types = weights.tensor(embeddings + ".token_type_embeddings.weight", segments, d);
    Tensor firstType;
    try (var scope = Scope.open()) {
      firstType = weights.constant(types.select(0, 0));
    }
    var embedding =
        new Embedding(
            table,
            1,
            new Positions.Learned(
                weights.tensor(embeddings + ".position_embeddings.weight", s.context(), d), offset),
            firstType,
            weights.layerNorm(embeddings + ".LayerNorm", d, eps));
    var blocks = new ArrayList<Block>();
    for (int l = 0; l < s.layers(); l++) {
      String layer = base + ".encoder.layer." + l;
      String self = layer + ".attention.self";
      blocks.add(
          new PostNormBlock(
              new Attention(
                  s.heads(),
                  s.heads(),
                  s.width(),
                  new Projections.Separate(
                      weights.linear(self + ".query", d, d, true),
                      weights.linear(self + ".key", d, d, true),
                      weights.linear(self + ".value", d, d, true)),
                  null,
                  null,
                  null,
                  0,
                  0,
                  s.softmaxScale(),
                  false,
                  weights.linear(layer + ".attention.output.dense", d, d, true)),
              weights.layerNorm(layer + ".attention.output.LayerNorm", d, eps),
              new Mlp.Plain(
                  weights.linear(layer + ".intermediate.dense", s.dMlp(), d, true),
                  activation,
                  weights.linear(layer + ".output.dense", d, s.dMlp(), true)),
              weights.layerNorm(layer + ".output.LayerNorm", d, eps)));
    }
    Head head =
        classifier
            ? classifier(weights, base, d)
            : base.equals("bert")
                ? maskedLm(
                    weights,
                    "cls.predictions",
                    "transform.",
                    "transform.LayerNorm",
                    activation,
                    eps,
                    s,
                    table,
                    words)
                : maskedLm(
                    weights, "lm_head", "", "layer_norm", Activation.GELU, eps, s, table, words);
    if (!classifier) {
      weights.ledger().harmless(base + "\\.pooler\\.dense\\.(weight|bias)");
    }
    return new Family.Parts(embedding, blocks, head, s.context() - offset, false);
  }

  private static Head maskedLm(
      Weights weights,
      String prefix,
      String transform,
      String norm,
      Activation activation,
      double eps,
      Shapes s,
      Tensor table,
      String words) {
    String decoder = prefix + ".decoder.";
    weights.ledger().takeIfPresent(decoder + "weight", s.vocab(), s.dModel());
    weights.ledger().takeIfPresent(decoder + "bias", s.vocab());
    return new Head.MaskedLm(
        weights.linear(prefix + "." + transform + "dense", s.dModel(), s.dModel(), true),
        activation,
        weights.layerNorm(prefix + "." + norm, s.dModel(), eps),
        weights.tied(
            table, words, decoder + "weight", weights.tensor(prefix + ".bias", s.vocab())));
  }

  /// BERT pools the first token before its classifier.
  private static Head classifier(Weights weights, String base, int d) {
    if (!base.equals("bert")) {
      throw new dev.fathom.FathomException(
          "a RoBERTa classifier is not supported: its head differs from BERT's; masked-LM checkpoints are");
    }
    Linear pooler = weights.linear(base + ".pooler.dense", d, d, true);
    long labels = weights.rowsOf("classifier.weight");
    return new Head.Classifier(pooler, weights.linear("classifier", labels, d, true));
  }
}
