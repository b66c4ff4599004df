package dev.fathom.text.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import dev.fathom.FathomException;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/// Holds against what jinja2 renders, character by character.
class ChatTemplateGoldenTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2026-03-05T14:07:09Z"), ZoneOffset.UTC);

  @TestFactory
  Stream<DynamicTest> everyExpressionGivesWhatJinjaGives() {
    var fixture = Fixtures.json("expressions.json");
    Map<String, Object> context = Fixtures.field(fixture, "context");
    return Fixtures.cases(fixture).stream()
        .map(each -> {
          String template = Fixtures.field(each, "template");
          return dynamicTest(
              template,
              () -> {
                if (each.get("text") instanceof String text) {
                  assertThat(render(template, context).text()).isEqualTo(text);
                } else {
                  assertThatThrownBy(() -> render(template, context))
                      .as("Python fails with %s", each.get("error"))
                      .isInstanceOfAny(FathomException.class, IllegalArgumentException.class);
                }
              });
        });
  }

  @TestFactory
  Stream<DynamicTest> everyConversationReadsAsTransformersWritesIt() {
    var fixture = Fixtures.json("conversations.json");
    Map<String, Object> conversations = Fixtures.field(fixture, "messages");
    return Fixtures.cases(fixture).stream()
        .map(each -> {
          String name = Fixtures.field(each, "template");
          String conversation = Fixtures.field(each, "conversation");
          var variables = new HashMap<String, Object>(Fixtures.field(each, "variables"));
          variables.put("messages", Fixtures.field(conversations, conversation));
          var template = Fixtures.template(name);
          return dynamicTest(name + ", " + conversation, () -> check(each, template, variables));
        });
  }

  private static void check(
      Map<String, Object> expected, String template, Map<String, Object> variables) {
    if (expected.get("text") instanceof String text) {
      var rendered = render(template, variables);
      assertThat(rendered.text()).isEqualTo(text);
      assertThat(rendered.assistantSpans())
          .map(span -> List.of(span.start(), span.end()))
          .isEqualTo(expected.get("spans"));
    } else if (expected.get("refused") instanceof String words) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> render(template, variables))
          .withMessageEndingWith(": " + words);
    } else {
      assertThatThrownBy(() -> render(template, variables)).isInstanceOf(FathomException.class);
    }
  }

  private static ChatTemplate.Rendered render(String template, Map<String, Object> variables) {
    return ChatTemplate.parse(template).withClock(CLOCK).renderWithSpans(variables);
  }

  @Test
  void aConversationOfMessagesReadsLikeOneOfMaps() {
    var template = ChatTemplate.parse(Fixtures.template("llama2.jinja"));
    var messages = List.of(new Message("user", "Hi"), new Message("assistant", " Hello "));
    var maps =
        List.of(
            Map.of("role", "user", "content", "Hi"),
            Map.of("role", "assistant", "content", " Hello "));
    var special = Map.of("bos_token", "<s>", "eos_token", "</s>");

    var rendered = template.renderWithSpans(messages, false, special);

    assertThat(rendered.text()).isEqualTo("        <s>[INST] Hi [/INST]\n Hello </s>");
    assertThat(rendered.assistantSpans()).containsExactly(new ChatTemplate.Span(29, 40));
    assertThat(template.render(messages, false, special)).isEqualTo(rendered.text());
    var all = new HashMap<String, Object>(special);
    all.put("messages", maps);
    all.put("add_generation_prompt", false);
    assertThat(template.renderWithSpans(all)).isEqualTo(rendered);
  }
}
