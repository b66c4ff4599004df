package dev.fathom.concepts.steer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Basis;
import dev.fathom.align.Fittings;
import dev.fathom.concepts.ConceptAtoms;
import dev.fathom.concepts.decompose.MatchingPursuit;
import dev.fathom.edit.Edit;
import dev.fathom.edit.EditFile;
import dev.fathom.edit.Edits;
import dev.fathom.model.Kind;
import dev.fathom.model.Site;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SteeringEditTest {
  static List<String> decoders() throws IOException {
    return Fittings.decoders();
  }

  private static Edit edit(Transformer model, List<Steering> steerings) {
    return SteeringEdit.of(model, steerings, "test", new LinkedHashMap<>());
  }

  /// Every kind of steering that may be an edit of the model, several at one map among them, in no
  /// order.
  private static List<Steering> storable(Transformer model) {
    int width = model.dModel();
    int head = model.blocks().getFirst().attention().width();
    var all = new ArrayList<Steering>();
    long seed = 1;
    for (Kind kind :
        List.of(
            Kind.RESID_POST,
            Kind.MLP_OUT,
            Kind.ATTN_OUT,
            Kind.RESID_MID,
            Kind.MLP_RAW,
            Kind.ATTN_RAW)) {
      for (int layer : new int[] {0, model.layers() - 1}) {
        all.add(new Steering.Add(Site.of(kind, layer), Steered.direction(width, seed++), 2));
      }
      if (kind != Kind.RESID_POST && kind != Kind.RESID_MID) {
        Direction one = Steered.direction(width, seed++);
        all.add(new Steering.ProjectOut(Site.of(kind, 1), one, 1));
        all.add(new Steering.Add(Site.of(kind, 1), Steered.direction(width, seed++), -3));
        all.add(new Steering.ProjectOut(Site.of(kind, 1), Steered.direction(width, seed++), 0.7));
      }
    }
    all.add(
        new Steering.ShiftHeads(
            1, Map.of(0, Steered.direction(head, 50), 1, Steered.direction(head, 51)), 4));
    all.removeIf(steering ->
        model.refusal(steering.site()).isPresent()
            || SteeringEdit.refusal(model, List.of(steering)).isPresent());
    return all;
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void theEditedModelIsTheSteeredModel(String family) {
    try (var model = Fittings.load(family, DType.F64)) {
      List<Steering> all = storable(model);
      assertThat(all).hasSizeGreaterThanOrEqualTo(5); // raw outputs and heads of any family
      double[] before = Steered.logits(model, Steered.IDS);
      var tried = new ArrayList<List<Steering>>();
      all.forEach(one -> tried.add(List.of(one)));
      tried.add(all);
      for (List<Steering> steerings : tried) {
        double[] steered = Steered.logits(SteeredModel.of(model, steerings), Steered.IDS);
        assertThat(steered).isNotEqualTo(before);
        try (var edited = Edits.apply(model, List.of(edit(model, steerings)))) {
          assertThat(Steered.logits(edited, Steered.IDS))
              .as("%s", steerings)
              .containsExactly(steered, within(1e-8));
        }
      }
    }
  }

  @Test
  void anEditInSinglePrecisionIsTheSameToRounding(@TempDir Path folder) {
    try (var model = Fittings.load("llama", DType.F32)) {
      var direction = Steered.direction(model.dModel(), 1);
      var steerings =
          List.<Steering>of(
              new Steering.Add(Site.of(Kind.RESID_POST, 1), direction, 4),
              new Steering.ProjectOut(Site.of(Kind.ATTN_OUT, 0), direction, 1));
      Path file = folder.resolve("joy.safetensors");
      EditFile.write(file, edit(model, steerings));
      Edit kept = EditFile.read(file);
      assertThat(kept.card().parameters())
          .containsEntry("steering", "resid_post.1 by 4, attn_out.0 without 1 of the direction");
      try (var edited = Edits.apply(model, List.of(kept))) {
        assertThat(Steered.logits(edited, Steered.IDS))
            .containsExactly(
                Steered.logits(SteeredModel.of(model, steerings), Steered.IDS), within(1e-4));
      }
    }
  }

  @Test
  void whatNoEditDoesIsSaid() {
    try (var model = Fittings.load("gemma2", DType.F32);
        var scope = Scope.withoutGradients();
        var concepts = ConceptAtoms.of(List.of("a"), Basis.random(1, model.dModel(), 1).matrix())) {
      var direction = Steered.direction(model.dModel(), 1);
      Site stream = Site.of(Kind.RESID_POST, 1);
      assertThat(SteeringEdit.refusal(model, List.of(new Steering.Add(stream, direction, 1))))
          .hasValueSatisfying(reason -> assertThat(reason).contains("a norm stands behind"));
      assertThat(
              SteeringEdit.refusal(model, List.of(new Steering.ProjectOut(stream, direction, 1))))
          .hasValueSatisfying(reason -> assertThat(reason).contains("what the embedding wrote"));
      var remove = new Steering.Remove(stream, concepts, Set.of(0), MatchingPursuit.standard(), 1);
      assertThat(SteeringEdit.refusal(model, List.of(remove)))
          .hasValueSatisfying(reason -> assertThat(reason).contains("depends on each token"));
      assertThat(SteeringEdit.refusal(model, List.of(remove.times(0)))).isEmpty();
      assertThat(
              SteeringEdit.refusal(
                  model, List.of(new Steering.Add(Site.of(Kind.RESID_PRE, 1), direction, 1))))
          .hasValueSatisfying(reason -> assertThat(reason).contains("the block before"));
      assertThatThrownBy(() -> edit(model, List.of(remove)))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }
}
