package dev.fathom.train;

import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Steps of a forward pass whose gradient is worked out by hand. The graph is cut at each: the step
/// is computed outside the graph, its result is a leaf, and on the way back whoever made the step
/// turns the leaf's gradient into that of the step's input.
///
/// Frozen linear maps gain by it: forth and back they go through the prepared copies of their
/// weights, which the library's own graph cannot use. Everything between them stays with the
/// library.
///
/// Used by one thread. An [Ascent] says when to record and when to go back; whoever climbs in
/// another way cuts the stream between blocks as it does, notes [#mark()] before each, and on the
/// way down calls [Tensor#backwardKeeping] on what a block returned and then [#unwind].
public final class Tape implements AutoCloseable {
  private final List<Cut> cuts = new ArrayList<>();
  private boolean recording;

  /// From the gradient of a step's result to that of its input, adding to the gradients of whatever
  /// the step has of its own.
  public interface Back {
    /// @param gradient with respect to the result, without a graph
    /// @param wanted whether the input's gradient is used; otherwise null may be returned
    @Nullable Tensor of(Tensor gradient, boolean wanted);

    /// Frees what the step kept for the way back; the last call.
    default void drop() {}
  }

  /// @param input as it was handed in, to recognise it
  /// @param kept the input's own handle, with the graph that leads to it
  private record Cut(Tensor input, Tensor kept, Tensor leaf, Back back) {}

  /// Whether steps are to be cut now; otherwise nobody will come back.
  public boolean isRecording() {
    return recording;
  }

  /// Records a step from `input` to `result`, which has no graph, and returns the result to go on
  /// with.
  public Tensor cut(Tensor input, Tensor result, Back back) {
    Tensor leaf = result.detach().requireGradient();
    boolean same = !cuts.isEmpty() && cuts.getLast().input == input;
    cuts.add(new Cut(input, same ? cuts.getLast().kept : input.keep(), leaf.keep(), back));
    return leaf;
  }

  /// The place to go back to.
  public int mark() {
    return cuts.size();
  }

  /// Begins or ends recording.
  public void record(boolean on) {
    recording = on;
  }

  /// Walks back over the steps since `mark`, and forgets them.
  public void unwind(int mark) {
    Tensor gradient = null; // of the input that the last few steps share
    for (int i = cuts.size() - 1; i >= mark; i--) {
      Cut cut = cuts.get(i);
      boolean wanted = cut.kept.requiresGradient();
      try (var scope = Scope.withoutGradients()) {
        Tensor own = cut.leaf.gradient();
        Tensor back = own == null ? null : cut.back.of(own, wanted);
        if (back != null && wanted) {
          gradient = gradient == null ? scope.escape(back) : gradient.addInPlace(back);
        }
      }
      if (isFirstOfInput(i, mark) && gradient != null) {
        cut.kept.backwardKeeping(gradient);
        Scope.current().release(gradient);
        gradient = null;
      }
    }
    drop(mark);
  }

  /// Whether the step before has another input, so that this one's gradient is whole.
  private boolean isFirstOfInput(int i, int mark) {
    return i == mark || cuts.get(i - 1).input != cuts.get(i).input;
  }

  private void drop(int mark) {
    for (int i = cuts.size() - 1; i >= mark; i--) {
      Cut cut = cuts.get(i);
      if (isFirstOfInput(i, mark)) {
        cut.kept.free();
      }
      cut.leaf.free();
      cut.back.drop();
    }
    cuts.subList(mark, cuts.size()).clear();
  }

  /// Forgets what nobody came back for.
  @Override
  public void close() {
    drop(0);
  }
}
