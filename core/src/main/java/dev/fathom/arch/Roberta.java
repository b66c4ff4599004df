package dev.fathom.arch;

import java.util.List;

/// RoBERTa: BERT's encoder with positions from row 2 of their table and a head of its own (Liu et
/// al. 2019).
final class Roberta {
  static final Family FAMILY =
      new Family(
          "roberta",
          "RoBERTa",
          List.of("RobertaForMaskedLM"),
          (config, weights) ->
              Bert.read(config, weights, "roberta", config.intOr(1, "pad_token_id") + 1));

  private Roberta() {}
}
