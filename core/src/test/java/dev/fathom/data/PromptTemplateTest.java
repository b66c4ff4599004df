package dev.fathom.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.fathom.data.PromptTemplate.Chat;
import dev.fathom.data.PromptTemplate.Wording;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import dev.fathom.text.chat.ChatTemplate;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class PromptTemplateTest {
  private static final Tokenizer LLAMA = tokenizer("sentencepiece_bpe/tokenizer.model");
  private static final Tokenizer BERT = tokenizer("wordpiece_bert/tokenizer.json");
  private static final Instruction ITEM = new Instruction("How many are there ? ", "", "4", "4");
  private static final Instruction WITH_INPUT = new Instruction("Sort.", "b a", "a b", "");
  private static final String HEADER =
      "Below is an instruction that describes a task. Write a response that appropriately completes"
          + " the request.";

  private static Tokenizer tokenizer(String name) {
    try {
      return Tokenizers.load(
          Path.of(
              Objects.requireNonNull(
                      PromptTemplateTest.class.getResource("/fixtures/tokenizers/" + name))
                  .toURI()));
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void cleanHasNoIndentationAndNoTrailingSpaces() {
    assertThat(Wording.CLEAN.prompt(ITEM))
        .isEqualTo(HEADER + "\n\n### Instruction:\nHow many are there ? \n\n### Response:\n");
    assertThat(Wording.CLEAN.prompt(WITH_INPUT))
        .endsWith("\n\n### Instruction:\nSort.\n\n### Input:\nb a\n\n### Response:\n");
  }

  @Test
  void upstreamTrainingPutsSpacesIntoTheLinesBetween() {
    String s16 = "                ";
    assertThat(Wording.UPSTREAM_TRAIN.prompt(ITEM))
        .isEqualTo(
            HEADER
                + "  \n\n"
                + s16
                + "### Instruction:\n"
                + s16
                + "How many are there ? \n"
                + s16
                + "\n"
                + s16
                + "### Response:\n"
                + s16);
    assertThat(Wording.UPSTREAM_TRAIN.prompt(WITH_INPUT))
        .endsWith(
            ("S### Instruction:\nSSort.\nS\nS### Input:\nSb a\nS\nS### Response:\nS")
                .replace("Sort", "\0")
                .replace("S", s16)
                .replace("\0", "Sort"));
  }

  @Test
  void upstreamEvaluationHasOneSpaceAndAnEmptyLine() {
    String s16 = "                ";
    assertThat(Wording.UPSTREAM_EVAL.prompt(ITEM))
        .isEqualTo(
            HEADER
                + " \n\n"
                + s16
                + "### Instruction:\n"
                + s16
                + "How many are there ? \n\n"
                + s16
                + "### Response:\n"
                + s16);
  }

  @Test
  void idsKeepEverySpaceAndBeginAsTheTokenizerSays() {
    int[] ids = Wording.UPSTREAM_EVAL.ids(LLAMA, ITEM);
    assertThat(LLAMA.decode(ids, true)).isEqualTo(Wording.UPSTREAM_EVAL.prompt(ITEM));
    int[] started = Wording.CLEAN.ids(BERT, ITEM);
    assertThat(started[0]).isEqualTo(BERT.specials().cls().orElseThrow());
    assertThat(BERT.isSpecial(started[started.length - 1])).isFalse();
  }

  @Test
  void chatIsTheModelsOwnTemplate() {
    var template =
        ChatTemplate.parse(
            "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
                + "{% if add_generation_prompt %}<assistant>{% endif %}");
    var chat = new Chat(template, Map.of("bos_token", "<s>"));
    assertThat(chat.prompt(WITH_INPUT)).isEqualTo("<s><user>Sort.\n\nb a<assistant>");
    assertThat(chat.ids(LLAMA, ITEM))
        .isEqualTo(LLAMA.encode(chat.prompt(ITEM), SpecialTokens.NONE).ids());
  }

  @Test
  void templatesAreFoundByNameAndOthersAreRefused() {
    for (Wording wording : Wording.values()) {
      assertThat(PromptTemplate.of(wording.text(), LLAMA)).isSameAs(wording);
    }
    assertThat(Arrays.stream(Wording.values()).map(Wording::text))
        .containsExactly("clean", "upstreamTrain", "upstreamEval");
    assertThatThrownBy(() -> PromptTemplate.of("Clean", LLAMA))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "There is no template Clean: choose from clean, upstreamTrain, upstreamEval, chat.");
    assertThatThrownBy(() -> PromptTemplate.of("chat", LLAMA))
        .hasMessageContaining("no chat template");
  }
}
