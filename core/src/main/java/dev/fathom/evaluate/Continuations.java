package dev.fathom.evaluate;

import dev.fathom.model.LanguageModel;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;

/// How probable does any [LanguageModel] find each of several continuations of a prompt? Prompts go
/// together, each is read once for all its continuations, and what continuations of one prompt
/// begin with is read once too.
///
/// ```java
/// var options = List.of(List.of(yesIds, noIds));
/// List<List<float[]>> found = Continuations.of(model, List.of(promptIds), options);
/// ```
public final class Continuations {
  private final LanguageModel model;
  private final List<List<float[]>> found = new ArrayList<>();

  private Continuations(LanguageModel model) {
    this.model = model;
  }

  /// Continuations of one prompt that begin alike, up to a depth.
  ///
  /// @param prompt its number
  /// @param numbers of the continuations among the prompt's
  private record Branch(int prompt, List<Integer> numbers) {}

  /// The log-probabilities, in nats, of each continuation's tokens given the prompt and those
  /// before.
  ///
  /// @param prompts token ids, at least one each
  /// @param continuations of each prompt: token ids, at least one each
  /// @return for each prompt and continuation as many values as the latter has tokens
  /// @throws IllegalArgumentException if something is empty, the numbers of prompts differ, or a
  ///   prompt with its continuation is longer than the model reads
  public static List<List<float[]>> of(
      LanguageModel model, List<int[]> prompts, List<List<int[]>> continuations) {
    require(model, prompts, continuations);
    var run = new Continuations(model);
    for (List<int[]> options : continuations) {
      run.found.add(options.stream().map(option -> new float[option.length]).toList());
    }
    if (!prompts.isEmpty()) {
      run.read(prompts, continuations);
    }
    return run.found;
  }

  private static void require(
      LanguageModel model, List<int[]> prompts, List<List<int[]>> continuations) {
    if (prompts.size() != continuations.size()) {
      throw new IllegalArgumentException(
          "%d prompts have continuations, but there are %d"
              .formatted(continuations.size(), prompts.size()));
    }
    for (int p = 0; p < prompts.size(); p++) {
      int longest = continuations.get(p).stream().mapToInt(c -> c.length).max().orElse(0);
      int shortest = continuations.get(p).stream().mapToInt(c -> c.length).min().orElse(0);
      if (prompts.get(p).length == 0 || shortest == 0) {
        throw new IllegalArgumentException(
            "prompt %d and each of its continuations need at least one token".formatted(p));
      }
      // the last token predicts nothing and is not read
      if (prompts.get(p).length + longest - 1 > model.card().context()) {
        throw new IllegalArgumentException(
            "prompt %d has %d tokens with its continuation, but this model reads at most %d"
                .formatted(p, prompts.get(p).length + longest, model.card().context() + 1));
      }
    }
  }

  private void read(List<int[]> prompts, List<List<int[]>> continuations) {
    var open = new ArrayList<Branch>();
    for (int p = 0; p < prompts.size(); p++) {
      var all = new ArrayList<Integer>();
      for (int c = 0; c < continuations.get(p).size(); c++) {
        all.add(c);
      }
      open.add(new Branch(p, all));
    }
    try (var session = model.session(prompts.size())) {
      List<int[]> next = prompts;
      for (int depth = 0; true; depth++) {
        score(session, next, open, continuations, depth);
        var parents = new ArrayList<Integer>();
        var branches = new ArrayList<Branch>();
        var tokens = new ArrayList<int[]>();
        for (int row = 0; row < open.size(); row++) {
          for (var branch : split(open.get(row), continuations, depth).entrySet()) {
            parents.add(row);
            branches.add(branch.getValue());
            tokens.add(new int[] {branch.getKey()});
          }
        }
        if (branches.isEmpty()) {
          return;
        }
        session.select(parents.stream().mapToInt(Integer::intValue).toArray());
        open = branches;
        next = tokens;
      }
    }
  }

  /// What goes on after `depth`, by the token there.
  private static LinkedHashMap<Integer, Branch> split(
      Branch branch, List<List<int[]>> continuations, int depth) {
    var byToken = new LinkedHashMap<Integer, Branch>();
    for (int number : branch.numbers) {
      int[] ids = continuations.get(branch.prompt).get(number);
      if (depth + 1 < ids.length) {
        byToken
            .computeIfAbsent(ids[depth], _ -> new Branch(branch.prompt, new ArrayList<>()))
            .numbers
            .add(number);
      }
    }
    return byToken;
  }

  /// Reads on, and looks up the token at `depth` of every continuation.
  private void score(
      LanguageModel.Session session,
      List<int[]> next,
      List<Branch> open,
      List<List<int[]>> continuations,
      int depth) {
    var row = new ArrayList<Integer>();
    var token = new ArrayList<Integer>();
    for (int r = 0; r < open.size(); r++) {
      for (int number : open.get(r).numbers) {
        row.add(r);
        token.add(continuations.get(open.get(r).prompt).get(number)[depth]);
      }
    }
    float[] values;
    try (var scope = Scope.withoutGradients()) {
      Tensor logits = session.append(next);
      Tensor wide = logits.dtype() == DType.F64 ? logits : logits.to(DType.F32);
      Tensor rows = Tensor.of(ints(row), row.size());
      Tensor tokens = Tensor.of(ints(token), token.size(), 1);
      values = wide.logSoftmax(-1).indexSelect(0, rows).gather(1, tokens).to(DType.F32).toFloats();
    }
    int at = 0;
    for (Branch branch : open) {
      for (int number : branch.numbers) {
        found.get(branch.prompt).get(number)[depth] = values[at++];
      }
    }
  }

  private static int[] ints(List<Integer> values) {
    return values.stream().mapToInt(Integer::intValue).toArray();
  }
}
