package dev.fathom.cli;

import dev.fathom.FathomException;
import dev.fathom.evaluate.ItemDirectory;
import dev.fathom.evaluate.Perplexity;
import dev.fathom.evaluate.TokenScorer;
import dev.fathom.text.SpecialTokens;
import dev.fathom.view.Result;
import java.nio.file.Path;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// In which windows a text is read.
final class PerplexityOptions {
  /// Name of the task.
  static final String PERPLEXITY = "perplexity";

  @Option(
      names = "--window",
      paramLabel = "N",
      description =
          "Most tokens read for a prediction. Default: 512, or the model's context if less.")
  private @Nullable Integer window;

  @Option(
      names = "--stride",
      paramLabel = "N",
      description =
          "Tokens that a window predicts; fewer than --window costs more and gives each token more"
              + " before it. Default: the window.")
  private @Nullable Integer stride;

  @Option(
      names = "--bias-bench",
      description =
          "Count as bias-bench does, in windows of the context less 32 tokens whose first token is"
              + " not predicted.")
  private boolean biasBench;

  /// @throws IllegalArgumentException if that makes no sense
  Measurement measurement(TestOptions test) {
    Path file =
        test.data()
            .orElseThrow(
                () -> new IllegalArgumentException("Say with --data FILE which text to read."));
    if (test.seed().isPresent()) {
      throw new IllegalArgumentException("Perplexity draws nothing: leave out --seed.");
    }
    if (window != null) { // fails sooner than a model loads
      var _ = new Perplexity.Config(window, stride == null ? window : stride, biasBench);
    }
    String text = InputFiles.text(file);
    if (text.isBlank()) {
      throw new FathomException(file + ": no text in it, so nothing could be predicted");
    }
    return new Reading(file, text);
  }

  private Perplexity.Config config(int context) {
    Perplexity.Config usual =
        biasBench ? Perplexity.Config.likeBiasBench(context) : Perplexity.Config.standard(context);
    int tokens = window == null ? usual.window() : window;
    return new Perplexity.Config(tokens, stride == null ? tokens : stride, biasBench);
  }

  private final class Reading implements Measurement {
    private final Path file;
    private final String text;

    Reading(Path file, String text) {
      this.file = file;
      this.text = text;
    }

    @Override
    public Page page() {
      return new Page(
          "Perplexity of " + file.getFileName(),
          "Perplexity",
          "How well the model predicts the text, token by token. Comparable only between models of"
              + " one tokenizer, with the same windows.");
    }

    @Override
    public String doing() {
      return "reading";
    }

    @Override
    public long steps(LoadedModel model) {
      int tokens = model.tokenizer().encode(text, SpecialTokens.NONE).size();
      return Perplexity.windows(tokens, config(model.transformer().card().context()));
    }

    @Override
    public Optional<SequencedMap<String, String>> settings(LoadedModel model) {
      return Optional.empty();
    }

    @Override
    public Result run(LoadedModel model, Optional<ItemDirectory> items, IntConsumer done) {
      var transformer = model.transformer();
      return Perplexity.run(
          transformer,
          TokenScorer.of(transformer),
          model.tokenizer(),
          text,
          config(transformer.card().context()),
          done);
    }
  }
}
