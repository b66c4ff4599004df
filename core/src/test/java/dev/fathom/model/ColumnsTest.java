package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.tensor.DType;
import dev.fathom.tensor.Memory;
import dev.fathom.tensor.Scope;
import dev.fathom.tensor.Tensor;
import dev.fathom.tensor.Weight;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class ColumnsTest {
  @Test
  void askingForSomeColumnsAgainAndAgainKeepsNoMemory() {
    int d = 512;
    try (var scope = Scope.withoutGradients()) {
      Tensor table = Tensor.zeros(DType.F32, 4000, d);
      var out = new Linear(Weight.of(table), null, new Linear.Origin("table", 0, 4000, false));
      var head = new Head.Unembedding(new Norm.RmsNorm(Tensor.full(1, DType.F32, d), 1e-5), out);
      long[] columns = LongStream.range(0, 2000).toArray(); // 4 MB of the table
      long before = 0;
      for (int turn = 0; turn < 120; turn++) {
        if (turn == 20) {
          Memory.trim();
          before = Memory.residentBytes();
        }
        try (var inner = Scope.open()) {
          var pass = Pass.over(Layout.single(3)).with(Wanted.ALL.columns(columns));
          Tensor logits = head.forward(Tensor.full(1, DType.F32, 3, d), pass);
          assertThat(logits.shape()).containsExactly(3, 2000);
        }
      }
      Memory.trim();
      assertThat(Memory.residentBytes() - before).isLessThan(100L << 20);
    }
  }
}
