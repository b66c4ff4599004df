package dev.fathom.edit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Checkpoint;
import dev.fathom.checkpoint.Conversion;
import dev.fathom.checkpoint.TensorType;
import dev.fathom.model.Linear;
import dev.fathom.model.Linears;
import dev.fathom.model.Tap;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Every family's checkpoint, merged with edits of every map, is the edited model.
class MergeTest {
  private static final int[] IDS = {3, 17, 5, 99, 42, 7};

  @TempDir private Path folder;

  static Stream<String> families() throws IOException {
    try (var directories = Files.list(References.path("checkpoints"))) {
      return directories
          .filter(Files::isDirectory)
          .map(directory -> directory.getFileName().toString())
          .sorted()
          .toList()
          .stream();
    }
  }

  private static Path source(String family) {
    return References.path("checkpoints/" + family);
  }

  private List<String> merge(String family, List<Edit> edits, TensorType... type) {
    try (var checkpoint = Checkpoint.open(source(family))) {
      return Merge.run(
          checkpoint,
          edits,
          folder.resolve("merged"),
          type.length == 0 ? Optional.empty() : Optional.of(type[0]),
          Conversion.Progress.NONE);
    }
  }

  private double[] merged() {
    try (var model = Models.load(folder.resolve("merged"), DType.F32)) {
      return EditsTest.logits(model, Tap.NONE, IDS);
    }
  }

  private static void assertClose(double[] found, double[] expected) {
    EditsTest.assertClose(found, expected, 1e-4);
  }

  /// Rows and columns of all maps, and those biases that the family has anyway.
  private static List<Change> fitting(Transformer model) {
    boolean alwaysTied = !model.card().causal() && model.head().out().origin().tied();
    var biased =
        Linears.of(model).stream()
            .filter(linear -> linear.bias() != null)
            .map(linear -> linear.origin().tensor())
            .toList();
    var changes = new ArrayList<Change>();
    for (Change change : EditsTest.everywhere(model, new Random(8))) {
      String tensor = ((Change.OfMap) change).tensor();
      if ((change instanceof Change.Rows || biased.contains(tensor))
          && !(alwaysTied && tensor.equals(model.head().out().origin().tensor()))) {
        changes.add(change);
      }
    }
    return changes;
  }

  @ParameterizedTest
  @MethodSource("families")
  void aMergedCheckpointIsTheEditedModel(String family) {
    try (var model = Models.load(source(family), DType.F32)) {
      Edit edit = Edit.of(model, "fitting", fitting(model)).at(0.7);
      assertThat(edit.changes()).hasSizeGreaterThan(10);
      double[] base = EditsTest.logits(model, Tap.NONE, IDS);
      try (var edited = Edits.apply(model, List.of(edit))) {
        double[] expected = EditsTest.logits(edited, Tap.NONE, IDS);
        assertThat(expected).isNotEqualTo(base);
        var _ = merge(family, List.of(edit));
        assertClose(merged(), expected);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "granite", "gemma", "stablelm"})
  void aBiasWhereThereWasNoneIsWrittenWhereTheFamilyHasRoomForIt(String family) {
    try (var scope = Scope.withoutGradients();
        var model = Models.load(source(family), DType.F32)) {
      boolean mlp = family.equals("llama") || family.equals("granite");
      var block = model.blocks().get(1);
      Linear map =
          mlp
              ? block.mlp().out()
              : ((dev.fathom.model.Attention.Projections.Separate) block.attention().projections())
                  .v();
      Edit edit =
          Edit.of(
              model,
              "bias",
              List.of(Change.Bias.of(map, EditsTest.normal(new Random(2), map.out()))));
      try (var edited = Edits.apply(model, List.of(edit))) {
        double[] expected = EditsTest.logits(edited, Tap.NONE, IDS);
        assertThat(merge(family, List.of(edit)))
            .singleElement()
            .asString()
            .contains("everywhere or nowhere");
        assertClose(merged(), expected);
      }
    }
  }

  @Test
  void whatAFamilyCannotHoldIsRefusedByNameAndNothingIsWritten() {
    refused("mistral", 1, false, "gives model.layers.1.mlp.down_proj.weight a bias");
    refused("bert_mlm", 0, true, "always read with the embedding's table");
  }

  private void refused(String family, int layer, boolean head, String reason) {
    try (var scope = Scope.withoutGradients();
        var model = Models.load(source(family), DType.F32)) {
      Linear map = head ? model.head().out() : model.blocks().get(layer).mlp().out();
      Change change =
          head
              ? Change.Rows.outputs(map, List.of(0), EditsTest.normal(new Random(1), 1, map.in()))
              : Change.Bias.of(map, EditsTest.normal(new Random(1), map.out()));
      Edit edit = Edit.of(model, "edit", List.of(change));
      assertThatThrownBy(() -> merge(family, List.of(edit)))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining(reason)
          .hasMessageContaining("--edit");
      assertThat(folder.resolve("merged")).doesNotExist();
    }
  }

  @Test
  void anEditAtZeroOrInAnotherTypeLeavesTheRestAsConversionDoes() {
    try (var model = Models.load(source("llama"), DType.F32)) {
      Edit edit = Edit.of(model, "all", fitting(model));
      assertThat(merge("llama", List.of(edit.at(0)))).isEmpty();
      try (var merged = Checkpoint.open(folder.resolve("merged"));
          var base = Checkpoint.open(source("llama"))) {
        assertThat(merged.sha256()).isEqualTo(base.sha256());
      }
      var _ = merge("llama", List.of(edit), TensorType.BF16);
      try (var merged = Models.load(folder.resolve("merged"), DType.BF16)) {
        assertThat(merged.layers()).isEqualTo(model.layers());
      }
    }
  }

  @Test
  void anotherBaseIsRefused() {
    try (var model = Models.load(source("gpt2"), DType.F32)) {
      Edit edit = Edit.of(model, "all", fitting(model));
      assertThatThrownBy(() -> merge("llama", List.of(edit)))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("this edit was made from");
    }
  }
}
