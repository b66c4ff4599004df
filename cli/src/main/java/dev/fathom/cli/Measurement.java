package dev.fathom.cli;

import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.view.Result;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.IntConsumer;

/// One thing that `evaluate` measures, checked and its data read before a model loads.
interface Measurement {
  /// How to read shares of right answers.
  String SHARES =
      "Shares of items that were answered rightly, with 95 % intervals. Compare two runs item by"
          + " item (--compare) before calling one better.";

  /// What the result's page says around it.
  ///
  /// @param title of the page
  /// @param heading of the result's section
  /// @param explanation how to read it
  record Page(String title, String heading, String explanation) {}

  Page page();

  /// What is being done, for people who wait.
  String doing();

  /// How many steps that takes.
  long steps(LoadedModel model);

  /// What decides the items that a directory keeps; empty where it keeps none.
  Optional<SequencedMap<String, String>> settings(LoadedModel model);

  /// Measures.
  ///
  /// @param items present only where there are settings
  /// @param done is told of steps
  Result run(LoadedModel model, Optional<ItemDirectory> items, IntConsumer done);
}
