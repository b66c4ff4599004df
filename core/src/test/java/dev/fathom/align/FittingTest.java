package dev.fathom.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.evaluate.bias.SentenceScorer;
import dev.fathom.evaluate.bias.StartToken;
import dev.fathom.tensor.DType;
import dev.fathom.text.SpecialTokens;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
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
  void theFirstTokensOfTextsAreThoseOfAllTexts() {
    try (var model = Fittings.load("llama", DType.F32)) {
      Fitting fitting = Fittings.of(model, Fittings.GENDER);
      var texts = new ArrayList<String>();
      for (int i = 0; i < 300; i++) {
        texts.add("a%d b c".formatted(i));
      }
      int[] all =
          fitting.tokenizer().encode(String.join("\n", texts), SpecialTokens.NONE).ids();
      assertThat(all).hasSize(900);
      for (int most : new int[] {0, 1, 2, 3, 50, 899, 900, 5000}) {
        assertThat(fitting.tokens(texts, most))
            .containsExactly(Arrays.copyOf(all, Math.min(900, most)));
      }
      assertThat(fitting.tokens(List.of(), 10)).isEmpty();
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
              Map.entry("domain", "gender"),
              Map.entry("k", "3"),
              Map.entry("pairs", "7"));
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
