package dev.fathom.explain;

import dev.fathom.evaluate.Provenances;
import dev.fathom.model.Block;
import dev.fathom.model.Intervention;
import dev.fathom.model.Kind;
import dev.fathom.model.Norm;
import dev.fathom.model.ParallelBlock;
import dev.fathom.model.PostNormBlock;
import dev.fathom.model.SandwichBlock;
import dev.fathom.model.SequentialBlock;
import dev.fathom.model.Slice;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/// Which sublayer at which position does the answer need? Each cell of a map is the effect of
/// taking one away: `metric(clean) − metric(without)`, so positive cells speak for the answer and
/// negative ones against it (thesis section 4.1.1, Fig 4.3; spec explain.md section 3).
///
/// It misleads where parts stand in for each other: taking away one of two that do the same shows
/// nothing. Zero is also not a value the later layers have ever seen.
public final class Ablation {
  private Ablation() {}

  /// What is taken away at one layer and position.
  public enum Target {
    /// What attention adds to the stream, before the MLP of the block reads it.
    ATTENTION("attn", "attention"),
    /// What the MLP adds.
    MLP("mlp", "MLP"),
    /// Both: the block leaves the position as it was.
    BOTH("both", "whole block"),
    /// The stream keeps what attention adds, but the MLP of the block does not see it.
    ATTENTION_TO_MLP("attn_to_mlp", "attention as the MLP reads it");

    private final String text;
    private final String title;

    Target(String text, String title) {
      this.text = text;
      this.title = title;
    }

    /// The end of the array's name: `ablate_attn`.
    public String text() {
      return text;
    }

    public String title() {
      return title;
    }
  }

  /// The zero-ablation maps of one prompt; `tokenizer` only names tokens.
  public static AblationResult run(Transformer model, Tokenizer tokenizer, Question question) {
    long start = System.nanoTime();
    int[] ids = question.ids(model);
    try (var scope = Scope.withoutGradients()) {
      Runs runs = Runs.of(model, ids);
      var readout = new Readout(model, question, runs.last(0, question.position()));
      var rows = new ArrayList<Sweep.Row>();
      for (Target target : Target.values()) {
        for (int layer = 0; layer < model.layers(); layer++) {
          for (int p = 0; p < ids.length; p++) {
            rows.add(row(model, runs, target, layer, p));
          }
        }
      }
      double[] values = readout.values(new Sweep(model, runs, question.position()).run(rows));
      var names = new Names(model, tokenizer);
      List<Axis> axes =
          List.of(
              Axis.index("layer", model.layers()),
              Axis.of("position", names.tokens(question.prompt()).subList(0, ids.length)));
      SequencedMap<Target, Grid> effects = new LinkedHashMap<>();
      int cells = model.layers() * ids.length;
      for (Target target : Target.values()) {
        float[] effect = new float[cells];
        for (int i = 0; i < cells; i++) {
          effect[i] =
              (float)
                  question.metric().effect(readout.clean(), values[target.ordinal() * cells + i]);
        }
        effects.put(target, Grid.real(axes, effect));
      }
      return new AblationResult(
          Provenances.of(
              model,
              question.prompt(),
              names.tokens(question.prompt()),
              (System.nanoTime() - start) / 1e9,
              "target",
              names.output(question.target()),
              "metric",
              question.metric().text(),
              "ablation",
              "zero"),
          question.metric(),
          readout.clean(),
          effects);
    }
  }

  private static Sweep.Row row(
      Transformer model, Runs runs, Target target, int layer, int position) {
    Slice attention = Slice.of(Kind.ATTN_OUT, layer).at(position);
    Slice mlp = Slice.of(Kind.MLP_OUT, layer).at(position);
    List<Intervention> changes =
        switch (target) {
          case ATTENTION -> List.of(new Intervention.Zero(attention));
          case MLP -> List.of(new Intervention.Zero(mlp));
          case BOTH -> List.of(new Intervention.Zero(attention), new Intervention.Zero(mlp));
          case ATTENTION_TO_MLP ->
              List.of(
                  new Intervention.Replace(
                      Slice.of(Kind.MLP_IN, layer).at(position),
                      readWithoutAttention(
                          model.blocks().get(layer), runs.stream(layer).narrow(0, position, 1))));
        };
    return new Sweep.Row(0, layer, position, changes);
  }

  /// What a block's MLP would read had attention added nothing.
  private static Tensor readWithoutAttention(Block block, Tensor stream) {
    Norm norm =
        switch (block) {
          case SequentialBlock b -> b.norm2();
          case ParallelBlock b -> b.norm2(); // reads the same anyway
          case SandwichBlock b -> b.norm2();
          case PostNormBlock b -> b.norm1();
        };
    return norm == null ? stream : norm.of(stream);
  }
}
