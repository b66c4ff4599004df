package dev.fathom.text.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The template that a real model ships.
@Tag("weights")
class SmolLm2ChatTemplateTest {
  private static ChatTemplate template() throws IOException {
    var models = Objects.requireNonNullElse(System.getenv("FATHOM_TEST_MODELS"), "");
    var file = Path.of(models, "smollm2-tokenizer", "chat_template.jinja");
    assumeTrue(
        Files.exists(file),
        "FATHOM_TEST_MODELS names no directory with smollm2-tokenizer/chat_template.jinja");
    return ChatTemplate.parse(Files.readString(file));
  }

  @Test
  void aFirstQuestionGetsTheModelsOwnSystemMessage() throws IOException {
    assertThat(template().render(List.of(new Message("user", "Hi")), true, Map.of()))
        .isEqualTo(
            """
            <|im_start|>system
            You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
            <|im_start|>user
            Hi<|im_end|>
            <|im_start|>assistant
            """);
  }

  @Test
  void aSystemMessageOfTheCallerReplacesIt() throws IOException {
    var messages = List.of(new Message("system", "Be brief."), new Message("user", "Hi"));
    assertThat(template().render(messages, false, Map.of()))
        .isEqualTo(
            """
            <|im_start|>system
            Be brief.<|im_end|>
            <|im_start|>user
            Hi<|im_end|>
            """);
  }
}
