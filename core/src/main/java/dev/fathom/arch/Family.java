package dev.fathom.arch;

import dev.fathom.checkpoint.ConfigReader;
import dev.fathom.model.Block;
import dev.fathom.model.Embedding;
import dev.fathom.model.Head;
import java.util.List;

/// A family of models that share a configuration and names of weights.
///
/// @param modelType `model_type` of its config.json
/// @param title what people call it
/// @param architectures accepted `architectures` entries; others are refused by name
/// @param reader from configuration and weights to parts
record Family(String modelType, String title, List<String> architectures, Reader reader) {
  /// Reads all attributes it understands, then the weights.
  interface Reader {
    Parts read(ConfigReader config, Weights weights);
  }

  /// What a family returns.
  ///
  /// @param context positions a row may have
  /// @param causal decoder or encoder
  record Parts(Embedding embedding, List<Block> blocks, Head head, int context, boolean causal) {}
}
