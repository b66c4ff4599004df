package dev.fathom.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.tensor.DType;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class FittingTest {
  private record Nothing() implements Method {
    @Override
    public String name() {
      return "nothing";
    }

    @Override
    public SequencedMap<String, String> settings() {
      return new LinkedHashMap<>(Map.of("k", "3"));
    }

    @Override
    public Remedy fit(Fitting fitting) {
      return new Remedy.OfWeights(fitting.edit(this, List.of(), new LinkedHashMap<>()));
    }
  }

  @Test
  void rowsBeginAsConfiguredAndAreTextsOfTheirOwn() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      List<int[]> rows = fitting.rows(List.of("a b", "c", "d e f"), 100);
      assertThat(rows)
          .extracting(row -> fitting.tokenizer().decode(row, false))
          .containsExactlyElementsOf(
              Stream.of("a b", "c", "d e f")
                  .map(text -> fitting.tokenizer().encode(text).ids())
                  .map(ids -> fitting.tokenizer().decode(ids, false))
                  .toList());
      assertThat(rows).allMatch(row -> row[0] == Words.BOS);
    }
  }

  @Test
  void rowsEndWhereThereAreEnoughTokens() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      List<String> texts = Collections.nCopies(300, "a b c"); // 4 tokens each
      assertThat(fitting.rows(texts, 0)).isEmpty();
      assertThat(fitting.rows(texts, 1)).hasSize(1);
      assertThat(fitting.rows(texts, 8)).hasSize(2);
      assertThat(fitting.rows(texts, 9)).hasSize(3);
      assertThat(fitting.rows(texts, 5000)).hasSize(300);
      assertThat(fitting.rows(List.of(), 10)).isEmpty();
    }
  }

  @Test
  void rowsLeaveOutTextsWithNothingToPredictAndEndWithTheContext() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      int longest = Math.min(512, model.card().context());
      String text = String.join(" ", Collections.nCopies(2 * longest, "a"));
      List<int[]> rows = fitting.rows(List.of("", text), 1 << 20);
      assertThat(rows).hasSize(1);
      assertThat(rows.getFirst()).hasSize(longest);
    }
  }

  @Test
  void anEditSaysHowItWasFound() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      var found = new LinkedHashMap<String, String>();
      found.put("pairs", "7");
      var edit = fitting.edit(new Nothing(), List.of(), found);
      assertThat(edit.name()).isEqualTo("nothing");
      assertThat(edit.card().method()).isEqualTo("nothing");
      assertThat(edit.card().parameters())
          .containsExactly(
              Map.entry("domain", "gender"), Map.entry("k", "3"), Map.entry("pairs", "7"));
      assertThat(edit.card().seed()).hasValue(7);
      assertThat(edit.card().data()).isEqualTo("16 items about 4 terms");
      assertThat(edit.card().baseSha256()).isEqualTo(model.card().sha256().get());
    }
  }

  @Test
  void withoutItemsThereIsNothingToFitOn() {
    try (var model = Fittings.load("llama", DType.F32)) {
      assertThatThrownBy(() ->
              new Fitting(
                  model,
                  new Words(131, true),
                  "gender",
                  List.of(),
                  Fittings.GENDER,
                  List.of(),
                  SentenceScorer.Context.OFFICIAL,
                  new StartToken(0, "<s>", "BOS"),
                  1,
                  Optional.empty()))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("no items of domain gender");
    }
  }
}
