package dev.fathom.bench;

import dev.fathom.FathomException;
import dev.fathom.arch.Models;
import dev.fathom.evaluate.Likelihood;
import dev.fathom.model.Layout;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Threads;
import dev.fathom.text.Tokenizer;
import dev.fathom.text.Tokenizers;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/// Times Fathom on fixed work, so that another program can do exactly the same and be compared in
/// the same run. Prints a line a task; the last line is one JSON object `{task: {"seconds": …,
/// "unit": …}}`.
///
/// The start of the JVM, the loading of classes and the unpacking and loading of native libraries
/// are shown apart, as `start`: what a Python program spends on its imports.
public final class Compare {
  private final Arguments arguments;
  private final ObjectNode results = JsonMapper.shared().createObjectNode();

  private Compare(Arguments arguments) {
    this.arguments = arguments;
  }

  /// Exits with 2 when the arguments are not understood, with 1 when something else fails.
  public static void main(String[] words) {
    try {
      new Compare(Arguments.parse(words)).run();
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.exit(2);
    } catch (FathomException | IllegalStateException | IOException e) {
      System.err.println(e.getMessage());
      System.exit(1);
    }
  }

  private void run() throws IOException {
    Optional<Sentences> sentences = arguments.stereoset().map(Sentences::read);
    start();
    long began = System.nanoTime();
    Tokenizer tokenizer = Tokenizers.load(arguments.model());
    try (Transformer model = Models.load(arguments.model(), arguments.dtype())) {
      firstToken(model);
      double loaded = Timing.since(began);
      if (arguments.tasks().contains(Task.LOAD)) {
        say(Task.LOAD.toString(), loaded, "tokenizer + weights + first token");
      }
      var workloads = new Workloads(Subject.of(model, tokenizer, sentences));
      for (Task task : arguments.tasks()) {
        time(task, workloads, model, sentences);
      }
      if (arguments.scores().isPresent() && sentences.isPresent()) {
        writeScores(arguments.scores().get(), workloads, model, sentences.get());
      }
    }
    String json = JsonMapper.shared().writeValueAsString(results);
    System.out.println(json);
    if (arguments.json().isPresent()) {
      Files.writeString(arguments.json().get(), json);
    }
  }

  /// Everything that Python does while importing.
  private void start() throws IOException {
    Threads.set(arguments.threads());
    try (var scope = Scope.withoutGradients()) {
      Tensor one = Tensor.full(1, DType.F32, 1, 1);
      one.matmul(one).item();
    }
    loadTokenizerLibrary();
    double seconds =
        (System.currentTimeMillis() - ManagementFactory.getRuntimeMXBean().getStartTime()) / 1e3;
    say("start", seconds, "JVM, classes, native libraries; in no other figure");
  }

  /// Has the tokenizer library loaded by reading a vocabulary of one word.
  private static void loadTokenizerLibrary() throws IOException {
    Path directory = Files.createTempDirectory("fathom-bench");
    Path file = directory.resolve("tokenizer.json");
    try {
      Files.writeString(
          file,
          """
          {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"},
           "model": {"type": "WordLevel", "vocab": {"one": 0}, "unk_token": "one"}}
          """);
      Tokenizers.load(file).encode("one");
    } finally {
      Files.deleteIfExists(file);
      Files.delete(directory);
    }
  }

  private static void firstToken(Transformer model) {
    try (var scope = Scope.withoutGradients()) {
      Tensor logits = model.forward(Tensor.of(new int[] {1}, 1), Pass.over(Layout.single(1)));
      double sum = logits.sum().item();
      if (!Double.isFinite(sum)) {
        throw new IllegalStateException("load: the logits of the first token sum to " + sum);
      }
    }
  }

  private void time(
      Task task, Workloads workloads, Transformer model, Optional<Sentences> sentences) {
    switch (task) {
      case LOAD -> {} // timed already
      case FORWARD -> say(task.toString(), workloads.forward(), "1 row, all logits");
      case FORWARD_8X256 ->
          say(task.toString(), workloads.forwardMany(), "8 x 256 tokens, last position logits");
      case LENS ->
          say(
              task.toString(),
              workloads.lens(),
              "%d layers: top 5, entropy, target probability and rank"
                  .formatted(model.layers() + 1));
      case CAPTURE ->
          say(
              task.toString(),
              workloads.capture(),
              "resid_post of every layer, 8 x 128 tokens, logits computed");
      case GENERATE ->
          say(task.toString(), workloads.generate(), "64 greedy tokens, batch 1, key/value cache");
      case ABLATION, ABLATION_HOOKS ->
          say(
              task.toString(),
              workloads.ablation(),
              "zero ablation, 4 kinds at every layer and position, the answer's logit");
      case HEADS ->
          say(
              task.toString(),
              workloads.heads(),
              "zero ablation of every head, the answer's logit");
      case PATCH ->
          say(
              task.toString(),
              workloads.patch(),
              "stream, attention and MLP patched at every layer and position");
      case IG ->
          say(
              task.toString(),
              workloads.integratedGradients(),
              "integrated gradients, 64 steps from the end token");
      case DECOMPOSE ->
          say(task.toString(), workloads.decompose(), "the stream split by token at every layer");
      case TRACE ->
          say(task.toString(), workloads.trace(), "causal tracing, 3 kinds of state, 10 samples");
      case STEREOSET -> {
        if (sentences.isPresent()) {
          say(
              task.toString(),
              workloads.stereoset(sentences.get()),
              "%d sentences, by length".formatted(sentences.get().texts().size()));
        } else {
          System.err.println("stereoset: left out, because --stereoset names no file");
        }
      }
    }
  }

  private void say(String name, double seconds, String unit) {
    long peak = PeakMemory.mark();
    System.out.printf(Locale.ROOT, "%-14s %9.4f s  %6d MB  %s%n", name, seconds, peak >> 20, unit);
    System.out.flush();
    results
        .putObject(name)
        .put("seconds", seconds)
        .put("dtype", arguments.dtypeName())
        .put("threads", Threads.get())
        .put("unit", unit)
        .put("peak_bytes", peak);
  }

  /// `[{"ids": …, "log_probabilities": …}]`, a sentence each, for a check against the peer's.
  private static void writeScores(
      Path file, Workloads workloads, Transformer model, Sentences sentences) throws IOException {
    List<int[]> ids = workloads.ids(sentences);
    List<float[]> found = Likelihood.of(model, ids, Likelihood.Config.standard());
    ArrayNode all = JsonMapper.shared().createArrayNode();
    for (int row = 0; row < ids.size(); row++) {
      ObjectNode sentence = all.addObject();
      ArrayNode tokens = sentence.putArray("ids");
      for (int id : ids.get(row)) {
        tokens.add(id);
      }
      ArrayNode values = sentence.putArray("log_probabilities");
      for (float value : found.get(row)) {
        values.add(value);
      }
    }
    Files.writeString(file, JsonMapper.shared().writeValueAsString(all));
  }
}
