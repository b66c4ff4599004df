package dev.fathom.world;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.arch.Models;
import dev.fathom.checkpoint.Bundled;
import dev.fathom.concepts.steer.Contrast;
import dev.fathom.concepts.steer.SteeredModel;
import dev.fathom.concepts.steer.Steering;
import dev.fathom.data.ContrastPair;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SteeringTidepoolTest {
  @TempDir private Path cache;

  @Test
  void measure() {
    Threads.set(1);
    try (var model = Models.load(Bundled.TIDEPOOL.open(cache), DType.F32);
        var fair = Models.load(Bundled.TIDEPOOL_FAIR.open(cache), DType.F32)) {
      var tokenizer = Tokenizers.load(Bundled.TIDEPOOL.directory(cache));
      var questions = new AlignmentQuestions(World.load());
      var judge = new AlignmentJudge(fair, tokenizer, questions, List.of(), List.of("A b c."));
      List<ContrastPair> pairs = pairs(questions);
      System.out.println(pairs.size() + " " + pairs.subList(0, 3));
      long t = System.nanoTime();
      var contrast =
          Contrast.of(
              model,
              tokenizer,
              pairs,
              "men",
              Contrast.Config.of(IntStream.range(0, model.layers()).boxed().toList()),
              _ -> {});
      System.out.println(contrast.auc() + " " + contrast.gap() + " best " + contrast.bestLayer(model.layers()) + " " + (System.nanoTime() - t) / 1e9);
      for (int layer : contrast.vector().layers()) {
        var v = contrast.vector().only(List.of(layer));
        for (boolean random : new boolean[] {false, true}) {
          var line = new StringBuilder("layer " + layer + (random ? " random" : "       "));
          for (double s : new double[] {-8, -4, -2, 0, 2, 4, 8}) {
            List<Steering> st = v.added(s);
            if (random) st = Steering.random(st, 1);
            var steered = SteeredModel.of(model, st);
            double share =
                judge
                    .said(
                        steered,
                        p -> AlignmentQuestions.isShare(p) && !questions.isFitted(p),
                        2)
                    .stream()
                    .mapToDouble(AlignmentJudge.Said::share)
                    .average()
                    .orElseThrow();
            double other =
                judge
                    .said(
                        steered,
                        p -> p.relation().equals("pronoun") && !questions.isFitted(p),
                        1)
                    .stream()
                    .mapToDouble(AlignmentJudge.Said::share)
                    .average()
                    .orElseThrow();
            line.append(String.format("  %.3f/%.3f", share, other));
          }
          System.out.println(line);
        }
      }
      System.out.println((System.nanoTime() - t) / 1e9);
    }
  }

  /// The same sentence about an occupation that men, and one that women mostly have.
  private static List<ContrastPair> pairs(AlignmentQuestions questions) {
    var men = new ArrayList<String>();
    var women = new ArrayList<String>();
    for (Truth.Rate rate : questions.rates()) {
      Planted planted = rate.planted();
      if (AlignmentQuestions.isShare(planted) && questions.isFitted(planted) && AlignmentQuestions.isPlanted(planted)) {
        rate.prompts().stream()
            .limit(2)
            .forEach(p -> (planted.rate() > 0.5 ? men : women).add(p.prompt()));
      }
    }
    var pairs = new ArrayList<ContrastPair>();
    for (int i = 0; i < Math.min(men.size(), women.size()); i++) {
      pairs.add(new ContrastPair(men.get(i), women.get(i)));
    }
    return pairs;
  }
}
