package dev.fathom.concepts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.FathomException;
import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.concepts.decompose.ElasticNet;
import dev.fathom.concepts.decompose.MatchingPursuit;
import dev.fathom.data.Concept;
import dev.fathom.data.Prompt;
import dev.fathom.model.Capture;
import dev.fathom.model.Kind;
import dev.fathom.model.Layout;
import dev.fathom.model.Numbers;
import dev.fathom.model.Pass;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.render.Html;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Report;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ActiveConceptsTest {
  private static final Numbers NUMBERS = new Numbers(1000);
  private static final int LAYER = 1;
  private static final List<String> NAMES = List.of("12", "40", "33");

  @TempDir private Path folder;
  private Transformer model;
  private Dictionary dictionary;

  @BeforeEach
  void compile() {
    model = Models.load(References.path("checkpoints/llama"), DType.F32);
    List<Concept> concepts =
        IntStream.range(0, 6)
            .mapToObj(c ->
                Concept.of(
                    "<concept %d>".formatted(c),
                    IntStream.range(0, 8)
                        .mapToObj(i -> "%d %d %d".formatted(20 + c, 10 + i * 3, 40 + c))
                        .toList()))
            .toList();
    var config = Compilation.Config.standard(model).withTemplate("{stimulus}");
    Compilation.run(model, NUMBERS, concepts, concepts, config, folder, _ -> {});
    dictionary = Dictionary.open(folder);
  }

  @AfterEach
  void close() {
    dictionary.close();
    model.close();
  }

  private ActiveConceptsResult active(ActiveConcepts.Config config) {
    var prompt = Prompt.of(NUMBERS, String.join(" ", NAMES), Prompt.Options.PLAIN);
    return ActiveConcepts.of(model, prompt, NAMES, dictionary, config);
  }

  @Test
  void theRestIsWhatTheConceptsLeaveOfTheActivation() {
    var config = new ActiveConcepts.Config(LAYER, new MatchingPursuit(3, false), true, 0);
    var result = active(config);
    try (var scope = Scope.withoutGradients()) {
      var slice = Slice.of(Kind.RESID_POST, LAYER);
      var capture = Capture.of(slice);
      int[] ids = NUMBERS.encode("12 40 33").ids();
      model.forward(Tensor.of(ids, 3), Pass.over(Layout.single(3)).with(capture));
      double[] mean = dictionary.mean(LAYER).toDoubles();
      for (int t = 0; t < 3; t++) {
        float[] z = capture.get(slice).vector(0, t);
        double[] rest = IntStream.range(0, z.length).mapToDouble(i -> z[i] - mean[i]).toArray();
        result
            .codes()
            .get(t)
            .coefficients()
            .forEach((concept, c) -> {
              String name = dictionary.entries().get(concept).name();
              double[] v = dictionary.direction(LAYER, name);
              for (int i = 0; i < rest.length; i++) {
                rest[i] -= c * v[i];
              }
            });
        double norm =
            Math.sqrt(IntStream.range(0, rest.length).mapToDouble(i -> rest[i] * rest[i]).sum());
        assertThat(result.codes().get(t).residual()).isCloseTo(norm, within(1e-4));
        assertThat(result.codes().get(t).support()).hasSizeLessThanOrEqualTo(3);
      }
    }
  }

  @Test
  void whatOneConceptAloneMakesUpIsToldByIt() {
    var result = active(new ActiveConcepts.Config(LAYER, ElasticNet.standard(), true, 0));
    assertThat(result.agreement()).hasSize(3).allMatch(share -> share >= 0 && share <= 1);
    assertThat(result.arrays()).containsOnlyKeys("coefficients", "unexplained", "agreement");
    assertThat(result.heaviest()).isNotEmpty().doesNotHaveDuplicates();
  }

  @Test
  void picturesFitTheTerminalAndNamesAreNotMarkup() {
    var result = active(new ActiveConcepts.Config(LAYER, ElasticNet.standard(), true, 0));
    var all = DictionaryResult.of(dictionary, LAYER, 4);
    for (View view : List.of(result.views(), all.views()).stream().flatMap(List::stream).toList()) {
      assertThat(Terminal.render(view, TerminalStyle.plain()).lines())
          .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    }
    for (var each : List.of(result, all)) {
      String html =
          Html.render(
              new Report(
                  "t", "m", List.of(), List.of(Section.of("h", "e", each)), each.provenance()));
      assertThat(html).contains("&lt;concept 3&gt;").doesNotContain("<concept 3>");
    }
  }

  @Test
  void otherModelsAreRefused() {
    try (var other = Models.load(References.path("checkpoints/gpt2"), DType.F32)) {
      var prompt = Prompt.of(NUMBERS, "12", Prompt.Options.PLAIN);
      var config = new ActiveConcepts.Config(LAYER, ElasticNet.standard(), true, 0);
      assertThatThrownBy(() -> ActiveConcepts.of(other, prompt, List.of("12"), dictionary, config))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("this dictionary was made from");
    }
  }
}
