package dev.fathom.refine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.References;
import dev.fathom.arch.Models;
import dev.fathom.checkpoint.SafetensorsFile;
import dev.fathom.model.Layout;
import dev.fathom.model.Linears.Role;
import dev.fathom.model.Pass;
import dev.fathom.model.Transformer;
import dev.fathom.tensor.DType;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.train.Ascent;
import dev.fathom.train.Objective;
import dev.fathom.train.Parameters;
import dev.fathom.train.Row;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/// One training step against transformers, PEFT and plain torch in float64 (the fixtures below
/// `refine/`): gates, logits of routes and mixture, both losses, and the gradient of every number.
///
/// `step` comes from transformers as it is, whose norm, rotary table and softmax compute in float32
/// even in a float64 model: that limits it to some 6e-6. `exact` is the same in float64 throughout,
/// made by `exact.py` beside the fixtures.
class ReferenceStepTest {
  private static final String PEFT = "base_model.model.";

  @ParameterizedTest
  @CsvSource({
    "dense_k3_all, F32, step, 1e-4",
    "dense_k3_all, F64, step, 2e-5",
    "dense_k3_all, F64, exact, 1e-9",
    "dense_k2_excl, F32, step, 1e-4",
    "dense_k2_excl, F64, step, 2e-5",
    "dense_k2_excl, F64, exact, 1e-9",
    "k1_all, F32, step, 1e-4",
    "k1_all, F64, step, 2e-5",
    "k1_all, F64, exact, 1e-9",
    "top2_k3_all, F32, step, 1e-4",
    "top2_k3_all, F64, step, 2e-5",
    "top2_k3_all, F64, exact, 1e-9"
  })
  void aStepIsThatOfTheReference(String name, DType dtype, String file, double tolerance)
      throws IOException {
    var settings =
        JsonMapper.shared()
            .readTree(Files.readString(References.path("refine/" + name + "/step.json")));
    try (Transformer model = Models.load(References.path("checkpoints/llama"), dtype);
        var reference = References.open("refine/" + name + "/" + file + ".safetensors");
        var inputs = References.open("refine/" + name + "/step.safetensors");
        var scope = Scope.withoutGradients()) {
      var refinement = Refinement.of(model, config(settings));
      try (Parameters parameters = refinement.parameters()) {
        fill(parameters, name);
        List<int[]> ids = rows(inputs, "input_ids");
        forward(model, refinement, parameters, ids, reference, tolerance);
        backward(
            refinement, parameters, ids, rows(inputs, "labels"), settings, reference, tolerance);
      }
    }
  }

  private static Refinement.Config config(JsonNode settings) {
    JsonNode lora = settings.path("lora");
    int k = settings.path("k").asInt();
    var loras = new ArrayList<Lora>();
    for (JsonNode layer : lora.path("layers")) {
      loras.add(
          new Lora(
              lora.path("r").asInt(),
              lora.path("lora_alpha").asDouble(),
              0,
              EnumSet.of(Role.Q, Role.K, Role.V, Role.UP, Role.DOWN),
              layer.asInt(),
              layer.asInt() + 1));
    }
    return new Refinement.Config(
        loras,
        Optional.of(Mod.Config.dense(k).withTopK(settings.path("topk").asInt())),
        Distillation.standard().withWeight(settings.path("lambda_").asDouble()),
        k,
        0,
        false,
        0);
  }

  /// Puts the reference's values in.
  private static void fill(Parameters parameters, String name) {
    for (String file : List.of("mod.safetensors", "adapter/adapter_model.safetensors")) {
      try (var stored = SafetensorsFile.open(References.path("refine/" + name + "/" + file))) {
        stored
            .tensors()
            .forEach((tensor, info) -> {
              Tensor part =
                  Objects.requireNonNull(
                      parameters.tensors().get(tensor.replace(PEFT, "")), tensor);
              part.copyInPlace(Tensor.borrow(stored.bytes(tensor), DType.F32, part.shape()));
            });
      }
    }
  }

  private static List<int[]> rows(References reference, String name) {
    long[] shape = reference.shape(name);
    long[] all = reference.longs(name);
    var rows = new ArrayList<int[]>();
    for (int r = 0; r < shape[0]; r++) {
      int from = (int) (r * shape[1]);
      rows.add(
          Arrays.stream(all, from, from + (int) shape[1]).mapToInt(Math::toIntExact).toArray());
    }
    return rows;
  }

  private static void forward(
      Transformer model,
      Refinement refinement,
      Parameters parameters,
      List<int[]> ids,
      References reference,
      double tolerance) {
    SequencedMap<String, Tensor> tensors = parameters.tensors();
    Refinement.Config config = refinement.config();
    Transformer adapted = AdaptedMaps.of(model, config.loras(), tensors, null, null);
    var mod = Mod.over(model, config.mod().orElseThrow(), tensors);
    int[] all = ids.stream().flatMapToInt(Arrays::stream).toArray();
    var layout = Layout.rows(ids.stream().mapToInt(row -> row.length).toArray());
    var ascent =
        Ascent.of(
            adapted,
            Tensor.of(all, all.length),
            () -> Pass.over(layout),
            new Ascent.Route(model.layers(), model.layers(), mod.routerRow(), false),
            null);
    Tensor gate = mod.gate(ascent.row(mod.routerRow()));
    requireClose("gate", gate, reference, tolerance);
    var reads = new ArrayList<Tensor>();
    for (int i = 0; i < mod.config().late(); i++) {
      reads.add(mod.read(i, ascent.row(mod.row(i))));
      requireClose(
          "route_logits." + i, model.head().out().of(reads.getLast()), reference, tolerance);
    }
    Tensor logits = model.head().out().of(Mod.mixed(gate, reads));
    requireClose("mix_logits", logits, reference, tolerance);
  }

  private static void backward(
      Refinement refinement,
      Parameters parameters,
      List<int[]> ids,
      List<int[]> labels,
      JsonNode settings,
      References reference,
      double tolerance) {
    var rows = new ArrayList<Row>();
    long targets = 0;
    for (int r = 0; r < ids.size(); r++) {
      int[] own = labels.get(r);
      int from = 0;
      while (own[from] == -100) {
        from++;
      }
      int end = own.length;
      while (own[end - 1] == -100) {
        end--;
      }
      rows.add(new Row(Arrays.copyOf(ids.get(r), end), from));
      targets += end - from;
    }
    try (var scope = Scope.withGradients()) {
      Tensor gradient = Tensor.zeros(parameters.dtype(), parameters.elements());
      Objective.Sums sums =
          refinement.backward(parameters.leaves(gradient), rows, 1.0 / targets, 1);
      near("loss", sums.loss() / targets, reference.doubles("loss")[0], tolerance);
      near("task", sums.measures().get(0) / targets, reference.doubles("task_loss")[0], tolerance);
      if (settings.path("k").asInt() > 1) {
        near(
            "distill",
            sums.measures().get(1) / targets,
            reference.doubles("distill_loss")[0],
            tolerance);
      }
      int at = 0;
      for (var entry : parameters.shapes().entrySet()) {
        String name = entry.getKey();
        long n = entry.getValue().stream().reduce(1L, Math::multiplyExact);
        String stored = "grad." + (name.contains(".lora_") ? PEFT + name : name);
        requireClose(stored, gradient.narrow(0, at, n), reference, tolerance);
        at += (int) n;
      }
    }
  }

  private static void requireClose(
      String name, Tensor found, References reference, double tolerance) {
    double[] expected = reference.doubles(name);
    double[] values = found.toDoubles();
    assertThat(values).as(name).hasSameSizeAs(expected);
    double largest = 1;
    double gap = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      gap = Math.max(gap, Math.abs(expected[i] - values[i]));
    }
    assertThat(gap).as(name).isLessThanOrEqualTo(tolerance * largest);
  }

  private static void near(String name, double found, double expected, double tolerance) {
    assertThat(Math.abs(found - expected))
        .as(name)
        .isLessThanOrEqualTo(tolerance * Math.max(1, Math.abs(expected)));
  }
}
