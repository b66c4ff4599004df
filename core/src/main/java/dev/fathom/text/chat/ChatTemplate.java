package dev.fathom.text.chat;

import static java.util.Objects.requireNonNull;

import dev.fathom.FathomException;
import java.time.Clock;
import java.time.ZoneId;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A model's chat template: turns a conversation into the text that the model was trained to
/// continue.
///
/// Templates are written in Jinja and come with a model, in `tokenizer_config.json` or
/// `chat_template.jinja`. This reads the part of Jinja 3 that they use, with the settings and
/// additions of `transformers`: `trim_blocks` and `lstrip_blocks`, loop controls,
/// `raise_exception`, `strftime_now`, its `tojson`, and `{% generation %}` blocks. Where Python's
/// values show through (`str`, truth, slices, methods), they behave as in Python; whole numbers
/// have 64 bits.
///
/// A template is a stranger's program. It can reach nothing but the variables it is given, cannot
/// change them, and is stopped when it takes too many steps, nests too deeply or prints too much.
///
/// Immutable; one template can render on many threads at once.
public final class ChatTemplate {
  private final List<Node> nodes;
  private final Clock clock;
  private final Limits limits;

  private ChatTemplate(List<Node> nodes, Clock clock, Limits limits) {
    this.nodes = nodes;
    this.clock = clock;
    this.limits = limits;
  }

  /// A range of a rendered text, in UTF-16 units.
  ///
  /// @param start where it begins
  /// @param end just after its last character
  public record Span(int start, int end) {
    public Span {
      if (start < 0 || end < start) {
        throw new IllegalArgumentException("no range of a text: %d to %d".formatted(start, end));
      }
    }
  }

  /// A rendered conversation.
  ///
  /// @param text what the model reads
  /// @param assistantSpans what in it the assistant says, in order: the `{% generation %}` blocks.
  ///   Empty for a template without them
  public record Rendered(String text, List<Span> assistantSpans) {
    public Rendered {
      assistantSpans = List.copyOf(assistantSpans);
    }
  }

  /// Reads a template.
  ///
  /// @throws FathomException naming the line and what is not understood there
  public static ChatTemplate parse(String jinja) {
    return new ChatTemplate(
        Parser.parse(requireNonNull(jinja)), Clock.system(ZoneId.systemDefault()), Limits.DEFAULT);
  }

  /// The same template with another idea of what time it is, for templates that print the date.
  public ChatTemplate withClock(Clock clock) {
    return new ChatTemplate(nodes, requireNonNull(clock), limits);
  }

  ChatTemplate withLimits(Limits limits) {
    return new ChatTemplate(nodes, clock, limits);
  }

  /// The text of a conversation.
  ///
  /// @param addGenerationPrompt whether to end with what invites the assistant to speak
  /// @param variables what else the template may ask for: `bos_token`, `eos_token`, `tools`, …,
  ///   made of null, text, numbers, booleans, lists, and maps with text keys
  /// @throws IllegalArgumentException if the template refuses the conversation, with its own words,
  ///   or a variable has another type
  /// @throws FathomException naming the line where the template fails
  public String render(
      List<Message> messages, boolean addGenerationPrompt, Map<String, ?> variables) {
    return evaluate(context(messages, addGenerationPrompt, variables)).text();
  }

  /// As [#render], and where in the text the assistant speaks.
  ///
  /// @throws FathomException also if the template marks the assistant's words inside a macro or a
  ///   captured block, where their place in the text cannot be known
  public Rendered renderWithSpans(
      List<Message> messages, boolean addGenerationPrompt, Map<String, ?> variables) {
    return renderWithSpans(context(messages, addGenerationPrompt, variables));
  }

  /// As [#renderWithSpans(List, boolean, Map)] for conversations whose messages hold more than a
  /// role and a content, such as tool calls or reasoning.
  ///
  /// @param variables everything the template sees, `messages` and `add_generation_prompt` included
  public Rendered renderWithSpans(Map<String, ?> variables) {
    var result = evaluate(variables);
    if (!result.spansKnown()) {
      throw new FathomException(
          "chat template: it marks the assistant's words inside a macro or captured block, so their"
              + " place in the text is not known; render without spans");
    }
    return new Rendered(result.text(), result.assistantSpans());
  }

  private static Map<String, ?> context(
      List<Message> messages, boolean addGenerationPrompt, Map<String, ?> variables) {
    var all = new HashMap<String, @Nullable Object>(variables);
    all.put("messages", messages);
    all.put("add_generation_prompt", addGenerationPrompt);
    return all;
  }

  private Evaluator.Result evaluate(Map<String, ?> variables) {
    var values = new HashMap<String, Value>();
    values.put("tools", Value.None.NONE);
    values.put("documents", Value.None.NONE);
    variables.forEach((name, value) -> {
      try {
        values.put(name, Value.of(value));
      } catch (IllegalArgumentException e) {
        throw new IllegalArgumentException(
            "variable '" + name + "' of a chat template " + e.getMessage(), e);
      }
    });
    return Evaluator.run(nodes, values, limits, clock);
  }
}
