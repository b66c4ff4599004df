package dev.fathom.train;

import dev.fathom.FathomException;
import java.nio.file.Path;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Everything that decides the numbers of a run: a run is continued only under the same.
///
/// @param processes that share each step
record RunSettings(
    Trainer.Config config,
    String objective,
    String data,
    String heldOut,
    String parameters,
    int processes) {
  ObjectNode toJson() {
    ObjectNode json = JsonMapper.shared().createObjectNode();
    json.put("objective", objective);
    json.put("data", data);
    json.put("held_out", heldOut);
    json.put("parameters", parameters);
    if (config.batchRows() > 0) {
      json.put("batch_rows", config.batchRows());
    } else {
      json.put("batch_tokens", config.batchTokens());
    }
    json.put("piece_tokens", config.pieceTokens());
    if (processes == 1) {
      json.put("workers", config.workers());
    } else {
      json.put("workers", "%d in each of %d processes".formatted(config.workers(), processes));
    }
    json.put("steps", config.schedule().steps());
    json.put("learning_rate", config.schedule().peak());
    json.put("warmup", config.schedule().warmup());
    json.put("schedule", config.schedule().shape().toString());
    json.put("floor", config.schedule().floor());
    json.put("beta1", config.adam().beta1());
    json.put("beta2", config.adam().beta2());
    json.put("epsilon", config.adam().epsilon());
    json.put("weight_decay", config.adam().weightDecay());
    json.put("clip", config.clip());
    json.put("evaluate_every", config.evaluateEvery());
    json.put("patience", config.patience());
    return json;
  }

  /// Refuses to go on with a run of other settings, naming the first that differs.
  void requireSame(JsonNode found, Path directory) {
    for (Map.Entry<String, JsonNode> entry : toJson().properties()) {
      String here = entry.getValue().asString();
      String there = found.path(entry.getKey()).asString("nothing");
      if (!here.equals(there)) {
        throw new FathomException(
            ("%s: holds a run with %s = %s, but this one has %s; continue it with its own settings,"
                    + " or choose another directory")
                .formatted(directory, entry.getKey(), there, here));
      }
    }
  }

  /// Refuses to share steps with a process of other settings.
  void requireShared(Peers peers) {
    int own = toJson().toString().hashCode();
    double first = peers.ofFirst(own)[0];
    if (peers.sum(Objective.Sums.of(own == first ? 0 : 1)).loss() > 0) {
      throw new FathomException(
          "process %d of %d: the processes have different settings, data or parameters, so they cannot share steps; start all with the same"
              .formatted(peers.rank(), peers.size()));
    }
  }
}
