package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.explain.Metric;
import dev.fathom.explain.Question;
import dev.fathom.explain.attribute.Attribution;
import dev.fathom.explain.attribute.AttributionMethod;
import dev.fathom.explain.attribute.AttributionResult;
import dev.fathom.explain.attribute.Faithfulness;
import dev.fathom.explain.attribute.Filler;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Scores of a prompt's tokens, by one or several methods.
@Command(
    name = "attribute",
    description = "Scores the tokens of a prompt: which speak for the answer?",
    footer = {
      "",
      "Examples:",
      "  fathom attribute \"The Eiffel Tower is located in the city of\"",
      "  fathom attribute -m DIR \"The capital of Italy is\" --target Rome --method ig --baseline zero --steps 200",
      "  fathom attribute -m DIR \"The capital of Italy is\" --method gradxinput,occlusion,shap --faithfulness",
    })
final class AttributeCommand implements Callable<Integer> {
  private static final AttributionMethod.IntegratedGradients USUAL =
      AttributionMethod.IntegratedGradients.standard();

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final SeedOption seed = new SeedOption();
  @Mixin private final OutputOptions output = new OutputOptions();

  @Option(
      names = "--method",
      split = ",",
      paramLabel = "NAME",
      description =
          "One or several of gradxinput, saliency, smoothgrad, ig, occlusion, lime, shap, shaporders."
              + " Default: ${DEFAULT-VALUE}.")
  private List<String> methods = List.of("gradxinput", "ig", "occlusion");

  @Option(
      names = "--baseline",
      paramLabel = "WHAT",
      description =
          "Where integrated gradients start: mean, zero, pad, eos, mask, or other (the prompt of"
              + " --corrupt). Default: ${DEFAULT-VALUE}.")
  private String baseline = USUAL.baseline().text();

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Gradients on the way of ig. Default: ${DEFAULT-VALUE}.")
  private int steps = USUAL.steps();

  @Option(
      names = "--path",
      paramLabel = "RULE",
      description =
          "Where on the way they are taken: midpoint, gauss (Gauss-Legendre), or near (most of them"
              + " near the baseline). Default: ${DEFAULT-VALUE}.")
  private String path = USUAL.path().text();

  @Option(
      names = "--filler",
      paramLabel = "WHAT",
      description =
          "What stands in for a token that is taken away: mean, zero, pad, eos, mask, other (the"
              + " token of --corrupt), or drop (only for occlusion). Default: ${DEFAULT-VALUE}.")
  private String filler = "mean";

  @Option(
      names = "--corrupt",
      paramLabel = "TEXT",
      description =
          "Another prompt with as many tokens: what makes this answer and not that one's?")
  private @Nullable String corrupt;

  @Option(
      names = "--samples",
      paramLabel = "N",
      description =
          "Draws of smoothgrad (32 without it), lime (500), shap (2048, beyond 12 tokens) and"
              + " shaporders (64).")
  private @Nullable Integer samples;

  @Option(
      names = "--faithfulness",
      description =
          "Also take the tokens away in order of their scores, and put them back: does the answer go"
              + " and come as it should? Random orders are the control.")
  private boolean faithfulness;

  AttributeCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    List<AttributionMethod> chosen = methods.stream().map(this::method).toList();
    try (var model = LoadedModel.open(console, modelOptions)) {
      Prompt prompt = questions.prompt(model, console);
      Question question = questions.question(model, prompt, Metric.LOG_PROB);
      AttributionResult result =
          Attribution.run(model.transformer(), model.tokenizer(), question, chosen, other(model));
      if (faithfulness) {
        Filler away = Filler.named(filler);
        var standard = Faithfulness.Config.standard();
        var config =
            new Faithfulness.Config(
                away == Filler.DROP || away == Filler.OTHER ? standard.filler() : away,
                standard.randomOrders(),
                seed.seed());
        result = Faithfulness.run(model.transformer(), model.tokenizer(), question, result, config);
      }
      ResultOutput.show(
          console,
          output,
          prompt.text(),
          "Attribution",
          "How much each token of the prompt speaks for the answer (positive) or against it"
              + " (negative), by each method.",
          result);
    }
    return Main.DONE;
  }

  private Optional<Prompt> other(LoadedModel model) {
    return Optional.ofNullable(corrupt)
        .map(text -> model.prompt(text, questions.reading().promptOptions()));
  }

  private AttributionMethod method(String name) {
    Filler away = Filler.named(filler);
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "gradxinput" -> new AttributionMethod.GradientTimesInput();
      case "saliency" -> new AttributionMethod.Saliency();
      case "smoothgrad" ->
          new AttributionMethod.SmoothGrad(
              samples(32), AttributionMethod.SmoothGrad.standard().noise(), seed.seed());
      case "ig" ->
          new AttributionMethod.IntegratedGradients(
              Filler.named(baseline), AttributionMethod.Path.named(path), steps);
      case "occlusion" -> new AttributionMethod.Occlusion(away);
      case "lime" -> {
        var usual = AttributionMethod.Lime.standard();
        yield new AttributionMethod.Lime(
            away, samples(usual.samples()), usual.width(), usual.ridge(), seed.seed());
      }
      case "shap" ->
          new AttributionMethod.Shap(
              away, samples(AttributionMethod.Shap.standard().samples()), seed.seed());
      case "shaporders" ->
          new AttributionMethod.ShapOrders(
              away, samples(AttributionMethod.ShapOrders.standard().orders()), seed.seed());
      default ->
          throw new IllegalArgumentException(
              "There is no method '%s': choose among gradxinput, saliency, smoothgrad, ig, occlusion, lime, shap, shaporders."
                  .formatted(name));
    };
  }

  private int samples(int usual) {
    return samples == null ? usual : samples;
  }
}
