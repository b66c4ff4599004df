package dev.fathom.data;

import dev.fathom.text.SpecialTokens;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.chat.ChatTemplate;
import dev.fathom.text.chat.Message;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The text around an instruction, up to where the response begins. What a model was tuned with is
/// what it should be asked with: another template, even another number of spaces, costs accuracy.
///
/// ```java
/// int[] ids = PromptTemplate.of("clean", tokenizer).ids(tokenizer, instruction);
/// ```
public sealed interface PromptTemplate {

  /// What response extraction cuts at, and what stands before a response in the templates of
  /// [Wording].
  String RESPONSE = "### Response:";

  /// The template's name as on the command line.
  String text();

  /// Everything before the response, to the last space.
  String prompt(Instruction instruction);

  /// The prompt's tokens: the start token exactly where the tokenizer's own files say so, no end
  /// token. A response follows as tokens of its own, so that training and evaluation share every id
  /// of the prompt.
  default int[] ids(Tokenizer tokenizer, Instruction instruction) {
    var special = this instanceof Chat ? SpecialTokens.NONE : SpecialTokens.AS_CONFIGURED;
    var tokens = tokenizer.encode(prompt(instruction), special);
    return Prompt.withoutEnd(tokens, tokenizer.specials()).ids();
  }

  /// The template of this name, `chat` included.
  ///
  /// @throws IllegalArgumentException if there is none, or the tokenizer has no chat template
  static PromptTemplate of(String name, Tokenizer tokenizer) {
    return name.equals(Chat.NAME)
        ? Chat.of(tokenizer)
        : Arrays.stream(Wording.values())
            .filter(wording -> wording.text().equals(name))
            .findFirst()
            .orElseThrow(() ->
                new IllegalArgumentException(
                    "There is no template %s: choose from %s."
                        .formatted(name, String.join(", ", names()))));
  }

  /// The names of all.
  static List<String> names() {
    return Stream.concat(Arrays.stream(Wording.values()).map(Wording::text), Stream.of(Chat.NAME))
        .collect(Collectors.toUnmodifiableList());
  }

  /// Templates that are the same for every model. The words are those of Alpaca (Taori et al. 2023)
  /// as LLM-Adapters (Hu et al. 2023) uses them; its whitespace differs between training and
  /// evaluation, which is kept for reproductions only.
  enum Wording implements PromptTemplate {
    /// No indentation, no trailing spaces, the same in training and evaluation.
    CLEAN("clean"),
    /// As LLM-Adapters trains: all but the header indented by 16 spaces, two spaces after the
    /// header, and 16 in the lines between.
    UPSTREAM_TRAIN("upstreamTrain"),
    /// As LLM-Adapters evaluates: the same with one space after the header and nothing in the lines
    /// between.
    UPSTREAM_EVAL("upstreamEval");

    private static final String HEADER =
        "Below is an instruction that describes a task. Write a response that appropriately"
            + " completes the request.";
    private static final String HEADER_WITH_INPUT =
        "Below is an instruction that describes a task, paired with an input that provides further"
            + " context. Write a response that appropriately completes the request.";
    private static final String INDENT = " ".repeat(16);

    private final String text;

    Wording(String text) {
      this.text = text;
    }

    @Override
    public String text() {
      return text;
    }

    @Override
    public String prompt(Instruction instruction) {
      boolean hasInput = !instruction.input().isEmpty();
      String header = hasInput ? HEADER_WITH_INPUT : HEADER;
      String task = part("### Instruction:", instruction.instruction());
      String input = hasInput ? part("### Input:", instruction.input()) : "";
      return switch (this) {
        case CLEAN -> header + "\n\n" + task + input + RESPONSE + "\n";
        case UPSTREAM_TRAIN -> header + "  \n\n" + task + input + INDENT + RESPONSE + "\n" + INDENT;
        case UPSTREAM_EVAL -> header + " \n\n" + task + input + INDENT + RESPONSE + "\n" + INDENT;
      };
    }

    /// A heading, what stands under it, and the line before the next heading.
    private String part(String heading, String content) {
      return switch (this) {
        case CLEAN -> heading + "\n" + content + "\n\n";
        case UPSTREAM_TRAIN -> INDENT + heading + "\n" + INDENT + content + "\n" + INDENT + "\n";
        case UPSTREAM_EVAL -> INDENT + heading + "\n" + INDENT + content + "\n\n";
      };
    }
  }

  /// The model's own chat template, with the instruction as the user's message.
  ///
  /// @param template parsed
  /// @param variables what it may ask for beside the messages
  record Chat(ChatTemplate template, Map<String, String> variables) implements PromptTemplate {
    static final String NAME = "chat";

    public Chat {
      variables = Map.copyOf(variables);
    }

    /// The one that comes with this tokenizer.
    ///
    /// @throws IllegalArgumentException if none does
    public static Chat of(Tokenizer tokenizer) {
      String template =
          tokenizer
              .chatTemplate()
              .orElseThrow(() ->
                  new IllegalArgumentException(
                      "This model's tokenizer has no chat template: use the template clean."));
      return new Chat(ChatTemplate.parse(template), Prompt.templateVariables(tokenizer));
    }

    @Override
    public String text() {
      return NAME;
    }

    @Override
    public String prompt(Instruction instruction) {
      String content =
          instruction.input().isEmpty()
              ? instruction.instruction()
              : instruction.instruction() + "\n\n" + instruction.input();
      return template.render(List.of(new Message("user", content)), true, variables);
    }
  }
}
