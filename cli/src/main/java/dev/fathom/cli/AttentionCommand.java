package dev.fathom.cli;

import dev.fathom.data.Prompt;
import dev.fathom.explain.HeadIndex;
import dev.fathom.explain.Metric;
import dev.fathom.explain.attention.AttentionPatterns;
import dev.fathom.explain.attention.AttentionSinks;
import dev.fathom.explain.attention.Composition;
import dev.fathom.explain.attention.CopyingScores;
import dev.fathom.explain.attention.HeadScores;
import dev.fathom.explain.attention.OvReading;
import dev.fathom.explain.attention.QkReading;
import dev.fathom.explain.attention.StreamingPerplexity;
import dev.fathom.explain.attention.TokenMixing;
import dev.fathom.explain.causal.AttentionKnockout;
import dev.fathom.view.Result;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// Everything about attention, one view at a time.
@Command(
    name = "attention",
    description = "Shows where attention looks, what it moves, and which heads do it.",
    footer = {
      "",
      "Views of a prompt:",
      "  patterns     where each head looks; --head draws some heads large",
      "  rollout      from which tokens a position is mixed, by attention alone",
      "  norms        the same by the length of what is moved",
      "  alti         the same by how close what is moved comes to the sum",
      "  ov           what --head writes when it looks at each token",
      "  qk           what --head looks for",
      "  knockout     what ln p (or --metric) loses when a token is hidden",
      "  sinks        how much attention is parked on the first tokens",
      "  streaming    loss when all but first and last tokens are forgotten",
      "Views of the model, without a prompt:",
      "  heads        induction, previous-token and duplicate-token heads",
      "  copying      heads that promote the token they look at",
      "  composition  which heads can read which; --head is the later one",
      "",
      "Examples:",
      "  fathom attention \"The capital of Italy is\" --html attention.html",
      "  fathom attention \"The capital of Italy is\" --head 2.0 --head 3.5",
      "  fathom attention --view alti \"The capital of Italy is\"",
      "  fathom attention --view knockout \"The capital of Italy is\" -t Rome",
      "  fathom attention --view heads -m DIR",
      "  fathom attention --view streaming --recent 256 - < book.txt",
    })
final class AttentionCommand implements Callable<Integer> {
  /// What is shown.
  enum View {
    patterns,
    rollout,
    norms,
    alti,
    ov,
    qk,
    knockout,
    sinks,
    streaming,
    heads,
    copying,
    composition
  }

  /// What stands for a token in the readings of a head.
  enum Source {
    embedding,
    stream
  }

  /// Which positions may not look.
  enum Queries {
    last,
    all
  }

  /// A result and how to read it.
  private record Shown(String title, String heading, String explanation, Result result) {}

  private final Console console;

  @Mixin private final ModelOptions modelOptions = new ModelOptions();
  @Mixin private final QuestionOptions questions = new QuestionOptions();
  @Mixin private final OutputOptions output = new OutputOptions();
  @Mixin private final SeedOption seed = new SeedOption();

  @Option(
      names = "--view",
      paramLabel = "VIEW",
      description = "What to show: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
  private View view = View.patterns;

  @Option(
      names = "--head",
      paramLabel = "L.H",
      description =
          "A head by layer and number, such as 20.0; several for patterns, one for ov, qk and"
              + " composition.")
  private List<String> heads = List.of();

  @Option(
      names = "--source",
      paramLabel = "SOURCE",
      description =
          "For ov and qk, what stands for a token: its embedding alone, or the stream at its"
              + " position. Default: embedding.")
  private @Nullable Source source;

  @Option(
      names = "--no-positions",
      description = "For qk: leave rotary positions out of the scores.")
  private boolean noPositions;

  @Option(
      names = "--top",
      paramLabel = "K",
      description = "For ov and qk: tokens to name. Default: 5.")
  private @Nullable Integer top;

  @Option(
      names = "--window",
      paramLabel = "N",
      description =
          "For knockout: layers in which the look is hidden. Default: a fifth of the layers.")
  private @Nullable Integer window;

  @Option(
      names = "--queries",
      paramLabel = "WHICH",
      description =
          "For knockout: which positions may not look, the one that is read (last) or every later"
              + " one (all). Default: last.")
  private @Nullable Queries queries;

  @Option(
      names = "--sinks",
      paramLabel = "N",
      description = "For sinks and streaming: how many first tokens. Default: 4.")
  private @Nullable Integer sinks;

  @Option(
      names = "--from",
      paramLabel = "P",
      description = "For sinks: the first query that counts. Default: 8.")
  private @Nullable Integer from;

  @Option(
      names = "--recent",
      paramLabel = "N",
      description = "For streaming: last tokens to remember. Default: 256.")
  private @Nullable Integer recent;

  @Option(
      names = "--length",
      paramLabel = "N",
      description = "For heads: random tokens to repeat. Default: 50, or what the model can read.")
  private @Nullable Integer length;

  AttentionCommand(Console console) {
    this.console = console;
  }

  @Override
  public Integer call() {
    List<HeadIndex> chosen = heads.stream().map(HeadIndex::parse).toList();
    requireHeads(chosen.size());
    requireView("--source", source, View.ov, View.qk);
    requireView("--top", top, View.ov, View.qk);
    requireView("--no-positions", noPositions ? true : null, View.qk);
    requireView("--window", window, View.knockout);
    requireView("--queries", queries, View.knockout);
    requireView("--sinks", sinks, View.sinks, View.streaming);
    requireView("--from", from, View.sinks);
    requireView("--recent", recent, View.streaming);
    requireView("--length", length, View.heads);
    try (var model = LoadedModel.open(console, modelOptions)) {
      Shown shown =
          switch (view) {
            case heads, copying, composition -> ofModel(model, chosen);
            case streaming -> streaming(model);
            case patterns, rollout, norms, alti, ov, qk, knockout, sinks -> ofPrompt(model, chosen);
          };
      ResultOutput.show(
          console, output, shown.title, shown.heading, shown.explanation, shown.result);
    }
    return Main.DONE;
  }

  /// Refuses an option that the view would not read.
  private void requireView(String option, @Nullable Object given, View... views) {
    if (given != null && !List.of(views).contains(view)) {
      throw new IllegalArgumentException(
          "%s is for --view %s, not for %s."
              .formatted(
                  option,
                  Arrays.stream(views).map(View::name).collect(Collectors.joining(" and ")),
                  view));
    }
  }

  private void requireHeads(int found) {
    boolean fits =
        switch (view) {
          case patterns -> true;
          case ov, qk -> found == 1;
          case composition -> found <= 1;
          default -> found == 0;
        };
    if (!fits) {
      throw new IllegalArgumentException(
          switch (view) {
            case ov, qk ->
                "--view %s reads one head: give --head, such as --head 5.0.".formatted(view);
            case composition -> "--view composition draws one later head: give --head once.";
            default ->
                "--head is for the views patterns, ov, qk and composition, not for %s."
                    .formatted(view);
          });
    }
  }

  private Shown ofPrompt(LoadedModel model, List<HeadIndex> chosen) {
    var transformer = model.transformer();
    var tokenizer = model.tokenizer();
    Prompt prompt = questions.prompt(model, console);
    chosen.forEach(head -> head.in(transformer));
    return switch (view) {
      case rollout -> mixing(model, prompt, TokenMixing.Method.ROLLOUT);
      case norms -> mixing(model, prompt, TokenMixing.Method.NORMS);
      case alti -> mixing(model, prompt, TokenMixing.Method.ALTI);
      case ov ->
          new Shown(
              prompt.text(),
              "What a head writes",
              "Tokens that the head makes likelier and less likely when it looks at each token.",
              OvReading.run(
                  transformer, tokenizer, prompt, chosen.getFirst(), source(), or(top, 5)));
      case qk ->
          new Shown(
              prompt.text(),
              "What a head looks for",
              "Scores before the softmax: compare them within a row.",
              QkReading.run(
                  transformer,
                  tokenizer,
                  prompt,
                  chosen.getFirst(),
                  source(),
                  !noPositions,
                  or(top, 5)));
      case knockout -> knockout(model, prompt);
      case sinks ->
          new Shown(
              prompt.text(),
              "Attention sinks",
              "How much attention the first tokens draw, whatever they say.",
              AttentionSinks.run(transformer, tokenizer, prompt, or(sinks, 4), or(from, 8)));
      default ->
          new Shown(
              prompt.text(),
              "Attention patterns",
              "Each row of a pattern says how one position spreads its attention over the tokens.",
              AttentionPatterns.run(transformer, tokenizer, prompt).showing(chosen));
    };
  }

  private OvReading.Source source() {
    return source == Source.stream ? OvReading.Source.STREAM : OvReading.Source.EMBEDDING;
  }

  private static int or(@Nullable Integer given, int usual) {
    return given == null ? usual : given;
  }

  private Shown mixing(LoadedModel model, Prompt prompt, TokenMixing.Method method) {
    int position = questions.reading().position(model, prompt);
    return new Shown(
        prompt.text(),
        "Origins, " + method.title(),
        "From which tokens a position is mixed, in all layers together and layer by layer, with"
            + " and without the first token.",
        TokenMixing.run(model.transformer(), model.tokenizer(), prompt, position, method));
  }

  private Shown knockout(LoadedModel model, Prompt prompt) {
    var config =
        AttentionKnockout.Config.standard(model.transformer())
            .of(
                queries == Queries.all
                    ? AttentionKnockout.Queries.ALL
                    : AttentionKnockout.Queries.ASKED);
    return new Shown(
        prompt.text(),
        "Attention knockout",
        "Each cell is what the answer loses when it cannot look at that token in the layers around"
            + " that one.",
        AttentionKnockout.run(
            model.transformer(),
            model.tokenizer(),
            questions.hasFoil()
                ? questions.question(model, prompt)
                : questions.question(model, prompt, Metric.LOG_PROB),
            window == null ? config : config.withWindow(window)));
  }

  private Shown streaming(LoadedModel model) {
    PromptOptions options = questions.reading().promptOptions();
    Prompt text =
        switch (options.source(console)) {
          case PromptOptions.Source.Text(String given) -> model.text(given, options);
          case PromptOptions.Source.Lines(var file) ->
              throw new IllegalArgumentException(
                  "This command reads one text; --prompts "
                      + file
                      + " is for capture and generate.");
        };
    return new Shown(
        "A long text of %d tokens".formatted(text.length()),
        "Streaming",
        "Loss along the text when the model remembers all tokens, the first and the last ones, or"
            + " only the last ones.",
        StreamingPerplexity.run(
            model.transformer(), model.tokenizer(), text, or(sinks, 4), or(recent, 256)));
  }

  private Shown ofModel(LoadedModel model, List<HeadIndex> chosen) {
    var transformer = model.transformer();
    return switch (view) {
      case composition ->
          new Shown(
              transformer.card().name(),
              "Composition",
              "How well the weights of later heads fit what earlier heads write.",
              Composition.run(transformer, chosen.stream().findFirst()));
      case copying ->
          new Shown(
              transformer.card().name(),
              "Copying heads",
              "Heads that promote the token they look at.",
              CopyingScores.run(
                  transformer,
                  model.tokenizer(),
                  CopyingScores.Config.standard(transformer).withSeed(seed.seed())));
      default -> {
        var config = HeadScores.Config.standard(transformer).withSeed(seed.seed());
        yield new Shown(
            transformer.card().name(),
            "What heads do",
            "Mean attention on two copies of random tokens, where each job would look.",
            HeadScores.run(
                transformer,
                model.tokenizer(),
                length == null ? config : config.withLength(length)));
      }
    };
  }
}
