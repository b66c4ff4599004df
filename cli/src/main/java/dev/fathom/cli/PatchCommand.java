package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.AttributionPatching;
import dev.fathom.explain.causal.Patching;
import dev.fathom.explain.causal.PathPatching;
import dev.fathom.view.Result;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Activation patching between two prompts.
@Command(
    name = "patch",
    description = "Puts values of one prompt's run into another's: which matter?",
    footer = {
      "",
      "PART is resid_post, attn_out, mlp_out (at each layer and position), z, q, k or v (of each",
      "head, at all positions). The prompts need the same number of tokens.",
      "",
      "--to follows one route instead: each head sends its corrupt output to the RECEIVERs alone",
      "(path patching): logits, or heads and MLPs such as q.9.h3,v.9.h3,mlp_in.7.",
      "",
      "Examples:",
      "  fathom patch \"The Eiffel Tower is located in the city of\" \\",
      "    --corrupt \"The Brandenburg Gate is located in the city of\"",
      "  fathom patch \"When Mary and John went to the store, John gave a drink to\" -t Mary --foil John \\",
      "    --corrupt \"When Mary and John went to the store, Mary gave a drink to\" --part z,q,k,v",
      "  fathom patch ... --to logits            the direct effect of each head",
      "  fathom patch ... --attribution          the gradient's estimate beside exact patching",
    })
final class PatchCommand implements Callable<Integer> {
  /// Which run is the base.
  enum Direction {
    denoise,
    noise
  }

  private static final Pattern RECEIVER =
      Pattern.compile("([qkv])\\.(\\d{1,4})\\.h(\\d{1,4})|mlp_in\\.(\\d{1,4})");

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final SweepOptions sweep = new SweepOptions();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--corrupt",
      required = true,
      paramLabel = "TEXT",
      description = "The other prompt.")
  private String corrupt = "";

  @Option(
      names = "--direction",
      paramLabel = "DIRECTION",
      description =
          "denoise puts values of PROMPT into the run of --corrupt, noise the other way round."
              + " Default: denoise.")
  private @Nullable Direction direction;

  @Option(
      names = "--part",
      paramLabel = "PART",
      split = ",",
      description =
          "What is put over; several with commas. Default: resid_post,attn_out,mlp_out,z.")
  private List<String> parts = List.of();

  @Option(
      names = "--to",
      paramLabel = "RECEIVER",
      split = ",",
      description = "Path patching: where each head's corrupt output is noticed.")
  private List<String> receivers = List.of();

  @Option(
      names = "--attribution",
      description = "Estimate every patch by one backward pass, and compare with exact patching.")
  private boolean attribution;

  PatchCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    var config = config();
    var routes = receivers.stream().map(PatchCommand::receiver).toList();
    requireOneKind();
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = questions.prompt(model, console);
      Question question = questions.question(model, prompt);
      Prompt other = model.prompt(corrupt, questions.reading().promptOptions());
      try (var progress = Progress.start(console, "patching", 0)) {
        ResultOutput.show(
            console,
            output,
            prompt.text(),
            receivers.isEmpty() ? "Activation patching" : "Path patching",
            explanation(question.metric()),
            result(
                model,
                question,
                other,
                routes,
                config.within(sweep.budget()).telling(progress::advance)));
      }
    }
    return Main.DONE;
  }

  /// Options that the kind of patching in question would not read are refused.
  private void requireOneKind() {
    boolean routes = !receivers.isEmpty();
    if (routes && attribution) {
      throw new IllegalArgumentException("Give either --to or --attribution, not both.");
    }
    if ((routes || attribution) && !parts.isEmpty()) {
      throw new IllegalArgumentException(
          routes
              ? "--to always sends whole heads: leave out --part."
              : "--attribution always estimates resid_post, attn_out, mlp_out and z: leave out --part.");
    }
    if (routes && direction != null) {
      throw new IllegalArgumentException(
          "--to always sends corrupt outputs into the run of PROMPT: leave out --direction.");
    }
  }

  private String explanation(Metric metric) {
    if (attribution) {
      return "Each cell is how much putting one value over changes the metric, as the gradient"
          + " estimates it; beside it the exact changes.";
    }
    if (receivers.isEmpty()) {
      return "Each cell is how much of the difference between the two prompts one value carries.";
    }
    return metric == Metric.KL
        ? "Each cell is how far the prediction moves when only one route from a head is corrupt."
        : "Each cell is what the answer loses when only one route from a head is corrupt.";
  }

  private Result result(
      LoadedModel model,
      Question question,
      Prompt other,
      List<PathPatching.Receiver> routes,
      Patching.Config config) {
    var transformer = model.transformer();
    if (!routes.isEmpty()) {
      return PathPatching.run(
          transformer,
          model.tokenizer(),
          question,
          other,
          routes,
          config.budget(),
          config.progress());
    }
    return attribution
        ? AttributionPatching.run(transformer, model.tokenizer(), question, other, config)
        : Patching.run(transformer, model.tokenizer(), question, other, config);
  }

  private static PathPatching.Receiver receiver(String text) {
    if (text.equals("logits")) {
      return new PathPatching.Receiver.Logits();
    }
    var matcher = RECEIVER.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          "--to %s: a receiver is logits, a head's input such as q.9.h3, k.9.h3 or v.9.h3, or mlp_in.7."
              .formatted(text));
    }
    if (matcher.group(4) != null) {
      return new PathPatching.Receiver.Mlp(Integer.parseInt(matcher.group(4)));
    }
    var input =
        switch (matcher.group(1)) {
          case "q" -> PathPatching.Input.QUERY;
          case "k" -> PathPatching.Input.KEY;
          default -> PathPatching.Input.VALUE;
        };
    return new PathPatching.Receiver.Head(
        input, Integer.parseInt(matcher.group(2)), Integer.parseInt(matcher.group(3)));
  }

  private Patching.Config config() {
    var config =
        Patching.Config.standard()
            .with(
                direction == Direction.noise
                    ? Patching.Direction.NOISE
                    : Patching.Direction.DENOISE);
    Set<Patching.Part> chosen = EnumSet.noneOf(Patching.Part.class);
    for (String part : parts) {
      chosen.add(
          Arrays.stream(Patching.Part.values())
              .filter(p -> p.text().equals(part))
              .findFirst()
              .orElseThrow(() ->
                  new IllegalArgumentException(
                      "--part %s: choose from %s."
                          .formatted(
                              part,
                              Arrays.stream(Patching.Part.values())
                                  .map(Patching.Part::text)
                                  .collect(Collectors.joining(", "))))));
    }
    return chosen.isEmpty() ? config : config.of(chosen.toArray(Patching.Part[]::new));
  }
}
