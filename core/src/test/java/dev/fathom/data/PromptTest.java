package dev.fathom.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.FathomException;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PromptTest {
  private static final Tokenizer PLAIN = tokenizer("sentencepiece_bpe/tokenizer.model");
  private static final Tokenizer BERT = tokenizer("wordpiece_bert/tokenizer.json");

  @TempDir private Path folder;

  private static Tokenizer tokenizer(String name) {
    try {
      URI found =
          Objects.requireNonNull(PromptTest.class.getResource("/fixtures/tokenizers/" + name))
              .toURI();
      return Tokenizers.load(Path.of(found));
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Prompt plain(String text) {
    return Prompt.of(PLAIN, text, Prompt.Options.PLAIN);
  }

  @Test
  void trailingSpacesAreTakenOffAndThatIsSaid() {
    Prompt prompt = plain("the city of  ");
    assertThat(prompt.text()).isEqualTo("the city of");
    assertThat(prompt.notes()).singleElement().asString().contains("2 trailing spaces");
    assertThat(prompt.ids()).isEqualTo(plain("the city of").ids());
    assertThat(plain("the city of").notes()).isEmpty();
  }

  @Test
  void anEmptyPromptIsRefused() {
    for (String text : List.of("", "   ")) {
      assertThatThrownBy(() -> plain(text))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("The prompt is empty");
    }
  }

  @Test
  void aTextThatGoesOnHasNoEndTokenAndACompleteOneHas() {
    int[] complete = Prompt.of(BERT, "the city", Prompt.Options.COMPLETE).ids();
    int[] goesOn = Prompt.of(BERT, "the city", Prompt.Options.PLAIN).ids();
    assertThat(complete[complete.length - 1]).isEqualTo(BERT.specials().sep().orElseThrow());
    assertThat(goesOn).isEqualTo(Arrays.copyOf(complete, complete.length - 1));
  }

  @Test
  void theStartTokenCanBeLeftOutAndAdded() {
    var with = new Prompt.Options(false, Optional.empty(), Optional.of(true), true);
    var without = new Prompt.Options(false, Optional.empty(), Optional.of(false), true);
    Prompt usual = Prompt.of(BERT, "the city", Prompt.Options.PLAIN);
    assertThat(usual.startToken()).isTrue();
    Prompt bare = Prompt.of(BERT, "the city", without);
    assertThat(bare.startToken()).isFalse();
    assertThat(bare.ids()).isEqualTo(Arrays.copyOfRange(usual.ids(), 1, usual.length()));
    assertThat(Prompt.of(BERT, "the city", with)).isEqualTo(usual);
    Prompt added = Prompt.of(PLAIN, "the city", with);
    assertThat(added.length()).isEqualTo(plain("the city").length() + 1);
    assertThat(added.ids()[0]).isEqualTo(PLAIN.specials().bos().orElseThrow());
  }

  @Test
  void aChatWithoutATemplateIsRefused() {
    var chat = new Prompt.Options(true, Optional.empty(), Optional.empty(), true);
    assertThatThrownBy(() -> Prompt.of(PLAIN, "Hello", chat))
        .hasMessageContaining("has no chat template");
  }

  @Test
  void aPromptLongerThanTheContextIsRefused() {
    assertThatThrownBy(() -> plain("the city of Paris").requireFits(2, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("this model reads at most 2");
  }

  @Test
  void aTargetGetsTheLeadingSpaceThatItLacksAndThatIsSaid() {
    Prompt prompt = plain("the city of");
    Target given = Target.of(PLAIN, prompt, " Paris");
    Target added = Target.of(PLAIN, prompt, "Paris");
    assertThat(added.ids()).isEqualTo(given.ids());
    assertThat(added.text()).isEqualTo(" Paris");
    assertThat(added.notes()).anyMatch(note -> note.contains("leading space"));
    assertThat(given.notes()).noneMatch(note -> note.contains("leading space"));
  }

  @Test
  void aTargetIsWhatFollowsThePromptsOwnTokens() {
    Prompt prompt = plain("the city of");
    Target target = Target.of(PLAIN, prompt, " Paris");
    var all = new ArrayList<Integer>();
    Arrays.stream(prompt.ids()).forEach(all::add);
    all.addAll(target.ids());
    assertThat(all)
        .containsExactlyElementsOf(
            Arrays.stream(plain("the city of Paris").ids()).boxed().toList());
    assertThat(target.id()).isEqualTo(target.ids().getFirst());
  }

  @Test
  void aTargetOfSeveralTokensIsSaid() {
    Target target = Target.of(PLAIN, plain("the city of"), "Constantinople");
    assertThat(target.ids().size()).isGreaterThan(1);
    assertThat(target.notes()).anyMatch(note -> note.contains("the first one"));
  }

  @Test
  void noSpaceIsAddedBeforePunctuationOrToWritingWithoutSpaces() {
    Prompt prompt = plain("the city of");
    assertThat(Target.of(PLAIN, prompt, ",").text()).isEqualTo(",");
    assertThat(Target.of(PLAIN, prompt, "東京").text()).isEqualTo("東京");
  }

  @Test
  void aTargetThatAddsNoTokenIsRefused() {
    assertThatThrownBy(() -> Target.of(PLAIN, plain("the city of"), ""))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("adds no token");
  }

  @Test
  void idsAndTextMakeTheSameTokens() {
    Prompt prompt = plain("the city of");
    assertThat(Prompt.ofIds(PLAIN, prompt.ids()).ids()).isEqualTo(prompt.ids());
    assertThatThrownBy(() -> Prompt.ofIds(PLAIN, new int[] {-1}))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void linesOfPromptsAreReadInOrder() throws Exception {
    Path file = folder.resolve("p.jsonl");
    Files.writeString(
        file,
        """
        {"id": 7, "prompt": "one", "target": " x", "other": [1]}

        {"prompt": "two", "subject": null}
        """);
    var lines = new ArrayList<PromptFile.Line>();
    PromptFile.forEach(file, lines::add);
    assertThat(lines).extracting(PromptFile.Line::prompt).containsExactly("one", "two");
    assertThat(lines.getFirst().id()).contains("7");
    assertThat(lines.getFirst().target()).contains(" x");
    assertThat(lines.getLast().number()).isEqualTo(3);
  }

  @Test
  void aBadLineIsNamedByItsNumber() throws Exception {
    for (String bad :
        List.of("{", "[1]", "{\"prompt\": 3}", "{}", "{\"prompt\": \" \"}", "[".repeat(9999))) {
      Path file = folder.resolve("bad.jsonl");
      Files.writeString(file, "{\"prompt\": \"one\"}\n" + bad + "\n");
      assertThatThrownBy(() -> PromptFile.forEach(file, _ -> {}))
          .isInstanceOf(FathomException.class)
          .hasMessageContaining("line 2");
    }
  }

  @Test
  void aFileWithoutPromptsOrNoneAtAllIsRefused() throws Exception {
    Path file = Files.writeString(folder.resolve("empty.jsonl"), "\n");
    assertThatThrownBy(() -> PromptFile.forEach(file, _ -> {})).hasMessageContaining("no prompts");
    assertThatThrownBy(() -> PromptFile.forEach(folder.resolve("none"), _ -> {}))
        .isInstanceOf(FathomException.class)
        .hasMessageContaining("no such file");
  }
}
