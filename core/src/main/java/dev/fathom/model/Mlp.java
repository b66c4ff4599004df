package dev.fathom.model;

import static dev.fathom.model.Kind.MLP_ACT;
import static dev.fathom.model.Kind.MLP_GATE;
import static dev.fathom.model.Kind.MLP_RAW;
import static dev.fathom.model.Kind.MLP_UP;

import dev.fathom.tensor.Tensor;

/// The position-wise sublayer. Neuron `i` has activation `mlp_act[i]` and writes it along its value
/// vector, column `i` of `out`.
public sealed interface Mlp {
  /// `[tokens, dModel] -> [tokens, dModel]`, from the already normalised input.
  Tensor forward(int layer, Tensor x, Pass pass);

  /// The map from neurons to the stream, `[dModel, dMlp]`.
  Linear out();

  Activation activation();

  /// `W_out act(W_in x)` (Vaswani et al. 2017, section 3.3).
  record Plain(Linear in, Activation activation, Linear out) implements Mlp {
    @Override
    public Tensor forward(int layer, Tensor x, Pass pass) {
      Tensor pre = pass.at(MLP_GATE, layer, in.of(x)); // [tokens, dMlp]
      Tensor act = pass.at(MLP_ACT, layer, activation.of(pre));
      return pass.at(MLP_RAW, layer, out.of(act)); // [tokens, dModel]
    }
  }

  /// `W_out (act(W_gate x) ⊙ W_up x)` (Shazeer 2020).
  record Gated(Linear gate, Linear up, Activation activation, Linear out) implements Mlp {
    @Override
    public Tensor forward(int layer, Tensor x, Pass pass) {
      Tensor g = pass.at(MLP_GATE, layer, gate.of(x)); // [tokens, dMlp]
      Tensor u = pass.at(MLP_UP, layer, up.of(x));
      Tensor act = pass.at(MLP_ACT, layer, activation.of(g).mul(u));
      return pass.at(MLP_RAW, layer, out.of(act)); // [tokens, dModel]
    }
  }
}
