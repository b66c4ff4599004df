package dev.fathom.align.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.align.Fittings;
import dev.fathom.align.Words;
import dev.fathom.align.lope.PairErasure;
import dev.fathom.align.study.Generations.Speaker;
import dev.fathom.align.study.GenerationsResult.Spoken;
import dev.fathom.model.Layout;
import dev.fathom.model.Transformer;
import dev.fathom.model.Wanted;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.render.TerminalStyle;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.view.Grid;
import dev.fathom.view.View;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class GenerationsTest {
  private static final Transformer MODEL = Fittings.load("llama", DType.F32);
  private static final Words WORDS = new Words(MODEL.outputs(), true);
  private static final List<String> PROMPTS = List.of("Every man is", "A woman in this town");

  @AfterAll
  static void close() {
    MODEL.close();
  }

  private static Speaker base() {
    return Speaker.of("base", MODEL, WORDS);
  }

  private static GenerationsResult run(Speaker... speakers) {
    return Generations.run(List.of(speakers), PROMPTS, 12);
  }

  private static float[][] logProbabilities(Transformer model, int... ids) {
    try (var scope = Scope.withoutGradients()) {
      Tensor logits =
          model.logits(Tensor.of(ids, ids.length), Layout.single(ids.length), Wanted.ALL);
      float[] all = logits.logSoftmax(-1).toFloats();
      float[][] rows = new float[ids.length][model.outputs()];
      for (int t = 0; t < ids.length; t++) {
        System.arraycopy(all, t * model.outputs(), rows[t], 0, model.outputs());
      }
      return rows;
    }
  }

  @Test
  void theSameModelSaysTheSameAtNoDistance() {
    GenerationsResult result = run(base(), Speaker.of("again", MODEL, WORDS));
    Spoken base = result.speakers().getFirst();
    Spoken again = result.speakers().getLast();
    assertThat(again.texts()).isEqualTo(base.texts());
    assertThat(again.divergence()).isZero();
    assertThat(again.quality()).isEqualTo(base.quality());
    assertThat(result.found()).contains("again: 2 of 2 texts as before");
  }

  @Test
  void anEditIsAsFarAwayAsItsPredictionsAre() {
    var fitting = Fittings.of(MODEL, Fittings.GENDER);
    try (var treated = PairErasure.of(4).fit(fitting).applied(MODEL)) {
      Transformer edited = treated.transformer().orElseThrow();
      GenerationsResult result = run(base(), Speaker.of("edited", edited, WORDS));
      int[] ids = {
        Words.BOS, WORDS.idOf("Every"), WORDS.idOf("man"), WORDS.idOf("is"),
      };
      float[][] p = logProbabilities(MODEL, ids);
      float[][] q = logProbabilities(edited, ids);
      double sum = 0;
      for (int t = 0; t < ids.length; t++) {
        for (int w = 0; w < p[t].length; w++) {
          sum += Math.exp(p[t][w]) * (p[t][w] - q[t][w]);
        }
      }
      Spoken after = result.speakers().getLast();
      assertThat(after.texts().getFirst().divergence()).isCloseTo(sum / 4, within(1e-5));
      assertThat(after.divergence()).isPositive();
      Grid kl = Objects.requireNonNull(result.arrays().get("prompt_kl"));
      assertThat(kl.at(0, 1)).isZero();
      assertThat(kl.at(1, 0)).isCloseTo(sum / 4, within(1e-5));
    }
  }

  @Test
  void whatEndsATextIsNoPartOfIt() {
    GenerationsResult all = run(base());
    assertThat(all.speakers().getFirst().texts()).allMatch(text -> text.tokens() == 12);
    // the first token that the model says ends its texts
    String said = all.speakers().getFirst().texts().getFirst().text();
    int first = Integer.parseInt(said.replaceAll("\\D*(\\d+).*", "$1"));
    GenerationsResult result = run(new Speaker("base", MODEL, WORDS, false, Set.of(first)));
    assertThat(result.speakers().getFirst().texts().getFirst().tokens()).isZero();
    assertThat(text(result)).contains("base: (nothing)");
  }

  @Test
  void anotherTokenizerHasNoDistance() {
    GenerationsResult result =
        run(base(), Speaker.of("other", MODEL, new Words(MODEL.outputs(), false)));
    assertThat(result.speakers().getLast().divergence()).isNaN();
    assertThat(text(result)).contains("n/a");
  }

  private static String text(GenerationsResult result) {
    var text = new StringBuilder();
    for (View view : result.views()) {
      text.append(Terminal.render(view, TerminalStyle.plain()));
    }
    assertThat(text.toString().lines())
        .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    return text.toString();
  }

  @Test
  void eachPromptIsAPictureOfItsOwn() {
    GenerationsResult result = run(base());
    assertThat(text(result)).contains("Every man is", "A woman in this town", "distinct-2");
    assertThat(Json.render(result)).contains("\"generations\"", "A woman in this town");
  }

  @Test
  void nothingToSayIsRefused() {
    assertThatThrownBy(() -> run(base(), base())).hasMessageContaining("different names");
    assertThatThrownBy(() -> Generations.run(List.of(base()), List.of(), 5))
        .hasMessageContaining("one prompt");
    assertThatThrownBy(() -> Generations.run(List.of(base()), PROMPTS, 1_000_000))
        .hasMessageContaining("this model reads at most");
  }
}
