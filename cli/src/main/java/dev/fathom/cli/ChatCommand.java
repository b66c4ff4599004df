package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.model.Decoding;
import dev.fathom.model.Generation;
import dev.fathom.model.Generator;
import dev.fathom.model.LanguageModel;
import dev.fathom.text.SpecialTokens;
import dev.fathom.text.chat.ChatTemplate;
import dev.fathom.text.chat.Message;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// A conversation with a model.
@Command(
    name = "chat",
    description = "Talks with an instruct model.",
    footer = {
      "",
      "In the conversation:",
      "  /system TEXT   begin anew with this system message",
      "  /reset         begin anew",
      "  /exit          leave, as does Ctrl-D",
      "",
      "Examples:",
      "  fathom chat -m model.gguf",
      "  echo \"Why is the sky blue?\" | fathom chat -m model.gguf --temperature 0.7",
      "  fathom chat -m DIR --edit lora.safetensors --mod mod.safetensors",
    })
final class ChatCommand implements Callable<Integer> {
  private static final String SYSTEM = "/system";

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final DecodingOptions decodingOptions = new DecodingOptions();
  @Mixin private final MixtureOptions mixtureOptions = new MixtureOptions();

  @Option(names = "--system", paramLabel = "TEXT", description = "The system message.")
  private @Nullable String system;

  ChatCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() throws IOException {
    decodingOptions.decoding(Set.of()); // refuse early
    mixtureOptions.check();
    try (var model = LoadedModel.open(console, modelOptions);
        var tuned = mixtureOptions.open(model.transformer());
        var session = tuned.speaker().session(1)) {
      var template =
          model
              .tokenizer()
              .chatTemplate()
              .map(ChatTemplate::parse)
              .orElseThrow(() ->
                  new IllegalArgumentException(
                      "This model has no chat template, so it was not made for conversations:"
                          + " use fathom generate."));
      Decoding decoding = decodingOptions.decoding(StopTokens.of(model));
      var generator = Generator.of(tuned.speaker(), model.tokenizer());
      new Conversation(model, generator, session, template, decoding).run();
    }
    return Main.DONE;
  }

  /// What has been said, and what of it the model has read.
  private final class Conversation {
    private final LoadedModel model;
    private final Generator generator;
    private final LanguageModel.Session session;
    private final ChatTemplate template;
    private final Decoding decoding;
    private final List<Message> messages = new ArrayList<>();

    Conversation(
        LoadedModel model,
        Generator generator,
        LanguageModel.Session session,
        ChatTemplate template,
        Decoding decoding) {
      this.model = model;
      this.generator = generator;
      this.session = session;
      this.template = template;
      this.decoding = decoding;
      begin();
    }

    private void begin() {
      messages.clear();
      if (system != null && !system.isBlank()) messages.add(new Message("system", system));
    }

    void run() throws IOException {
      for (String line = ask(); line != null && !line.equals("/exit"); line = ask()) {
        if (line.equals("/reset")) {
          begin();
        } else if (line.equals(SYSTEM) || line.startsWith(SYSTEM + " ")) {
          system = line.substring(SYSTEM.length()).strip();
          begin();
        } else if (line.startsWith("/")) {
          tell("There is no command " + line + ": there are /system TEXT, /reset and /exit.");
        } else if (!line.isEmpty()) {
          answer(line);
        }
      }
    }

    private @Nullable String ask() throws IOException {
      if (console.outIsTerminal()) {
        console.err().print("> ");
        console.err().flush();
      }
      String line = console.in().readLine();
      if (line == null && console.outIsTerminal()) console.err().println();
      return line == null ? null : line.strip();
    }

    private void answer(String question) {
      messages.add(new Message("user", question));
      int[] ids = ids();
      int context = model.transformer().card().context();
      if (ids.length >= context) {
        messages.removeLast();
        tell(
            "With this the conversation has %d tokens, and this model reads at most %d: be shorter, or /reset."
                .formatted(ids.length, context));
        return;
      }
      Generation text =
          generator.run(
              session,
              ids,
              decoding,
              (_, piece) -> {
                console.out().print(piece);
                console.out().flush();
              });
      console.out().println();
      messages.add(new Message("assistant", text.text()));
      if (text.stop() == Generation.Stop.CONTEXT) {
        tell("The conversation fills this model's context: /reset begins anew.");
      }
    }

    private int[] ids() {
      String prompt = template.render(messages, true, Prompt.templateVariables(model.tokenizer()));
      return model.tokenizer().encode(prompt, SpecialTokens.NONE).ids();
    }

    private void tell(String sentence) {
      console.err().println(sentence);
      console.err().flush();
    }
  }
}
