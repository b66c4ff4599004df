package dev.fathom.render;

import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.Provenance;
import dev.fathom.view.Report;
import dev.fathom.view.Scale;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import dev.fathom.view.View.Cell;
import dev.fathom.view.View.Edge;
import dev.fathom.view.View.Flow;
import dev.fathom.view.View.HeatMap;
import dev.fathom.view.View.Item;
import dev.fathom.view.View.Lines;
import dev.fathom.view.View.Mark;
import dev.fathom.view.View.Node;
import dev.fathom.view.View.Panel;
import dev.fathom.view.View.Point;
import dev.fathom.view.View.Quantity;
import dev.fathom.view.View.Ranking;
import dev.fathom.view.View.Scatter;
import dev.fathom.view.View.Series;
import dev.fathom.view.View.SmallMultiples;
import dev.fathom.view.View.Table;
import dev.fathom.view.View.Text;
import dev.fathom.view.View.Token;
import dev.fathom.view.View.Tokens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;

/// Made-up results with the shape of real ones. [#main] writes them to a directory to be looked at.
final class Samples {
  static final List<String> EIFFEL =
      List.of("The", " E", "iffel", " Tower", " is", " located", " in", " the", " city", " of");
  private static final List<String> NEXT =
      List.of(" first", "iffel", " Tower", ",", " a", " in", " Paris", " heart", " of", " Paris");
  private static final List<String> EARLY =
      List.of(" same", "ther", "iff", "ing", " not", " at", " the", " same", " of", " the");

  private Samples() {}

  /// Writes the demonstration report and every sample view to the directory given.
  public static void main(String[] args) throws IOException {
    Path directory = Files.createDirectories(Path.of(args[0]));
    Report report = report();
    Files.writeString(directory.resolve("report.html"), Html.render(report));
    Files.writeString(directory.resolve("report.json"), Json.render(report));
    for (var color : TerminalStyle.Color.values()) {
      var style = new TerminalStyle(80, color, true);
      String name = "report-" + color.name().toLowerCase(Locale.ROOT) + ".txt";
      Files.writeString(directory.resolve(name), Terminal.render(report, style));
    }
    int i = 0;
    for (Section section : report.sections()) {
      for (View view : section.views()) {
        Files.writeString(directory.resolve("view" + i + ".svg"), Svg.render(view));
        Files.write(directory.resolve("view" + i + ".png"), Png.render(view));
        i++;
      }
    }
    Files.writeString(directory.resolve("large.html"), Html.render(largeReport()));
  }

  static Provenance provenance(List<String> tokens) {
    var parameters = new LinkedHashMap<String, String>();
    parameters.put("target", " Paris");
    parameters.put("top-k", "5");
    return new Provenance(
        "SmolLM2-135M-Instruct",
        "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c",
        "0.1.0",
        IntStream.range(0, tokens.size()).boxed().toList(),
        tokens,
        parameters,
        OptionalLong.empty(),
        "f32",
        0.412,
        734_003_200L);
  }

  static List<String> layerLabels(int blocks) {
    var labels = new ArrayList<String>();
    labels.add("embed");
    IntStream.range(0, blocks).forEach(l -> labels.add(Integer.toString(l)));
    return labels;
  }

  /// A logit lens: 31 layers of a 30-block model at the ten tokens of the Eiffel prompt.
  static HeatMap lens() {
    return lens(EIFFEL, 30);
  }

  static HeatMap lens(List<String> tokens, int blocks) {
    var random = new Random(7);
    int rows = blocks + 1;
    int n = tokens.size();
    float[] p = new float[rows * n];
    var labels = new ArrayList<List<String>>();
    var details = new ArrayList<List<List<String>>>();
    for (int r = 0; r < rows; r++) {
      var line = new ArrayList<String>();
      var lineDetails = new ArrayList<List<String>>();
      for (int t = 0; t < n; t++) {
        double depth = (double) r / blocks;
        double sure = t % EIFFEL.size() == 9 ? 0.72 : 0.15 + 0.7 * random.nextDouble();
        double at = 0.55 + 0.35 * ((t * 7) % 10) / 10.0;
        double value = sure / (1 + Math.exp(-18 * (depth - at))) + 0.08 * random.nextDouble();
        p[r * n + t] = (float) Math.min(1, value);
        String top = (depth > at ? NEXT : EARLY).get(t % EIFFEL.size());
        line.add(value > 0.2 ? top : "");
        lineDetails.add(
            List.of(
                "%s  %.3f".formatted(top, Math.min(1, value)),
                " the  %.3f".formatted(value * 0.3),
                " a  %.3f".formatted(value * 0.2),
                " Mont  %.3f".formatted(value * 0.1),
                ",  %.3f".formatted(value * 0.05)));
      }
      labels.add(line);
      details.add(lineDetails);
    }
    Grid grid =
        Grid.real(List.of(Axis.of("layer", layerLabels(blocks)), Axis.of("position", tokens)), p);
    return HeatMap.of(
            "Logit lens",
            "Which token does each layer predict next, and how surely?",
            grid,
            Scale.probability())
        .withLabels(labels)
        .withDetails(details)
        .bottomUp();
  }

  /// An ablation map with a token that dwarfs the others.
  static HeatMap ablation() {
    var random = new Random(3);
    int rows = 30;
    int n = EIFFEL.size();
    float[] values = new float[rows * n];
    for (int r = 0; r < rows; r++) {
      for (int t = 0; t < n; t++) {
        double subject = t >= 1 && t <= 3 && r < 12 ? 3.5 * random.nextDouble() : 0;
        double last = t == n - 1 && r > 15 ? 2.2 * random.nextDouble() : 0;
        values[r * n + t] = (float) (subject + last + 0.4 * random.nextGaussian());
      }
      values[r * n] = (float) (20 * random.nextGaussian());
    }
    Grid grid = Grid.real(List.of(Axis.index("layer", rows), Axis.of("position", EIFFEL)), values);
    return HeatMap.of(
            "Ablation of attention",
            "How much does the logit of ' Paris' fall without the attention of one layer at one"
                + " position?",
            grid,
            Scale.diverging("logits lost"))
        .withUnscaled(Set.of(0))
        .bottomUp();
  }

  static Lines lines() {
    var axis = Axis.of("layer", layerLabels(30));
    float[] p = new float[31];
    float[] low = new float[31];
    float[] high = new float[31];
    float[] other = new float[31];
    float[] rank = new float[31];
    for (int i = 0; i < 31; i++) {
      p[i] = (float) (0.7 / (1 + Math.exp(-0.7 * (i - 23))));
      other[i] = (float) (0.2 * Math.exp(-0.05 * (i - 14) * (i - 14)));
      low[i] = Math.max(0, p[i] - 0.05f - 0.03f * (i % 3));
      high[i] = Math.min(1, p[i] + 0.05f + 0.02f * (i % 4));
      rank[i] = (float) Math.floor(30000 / (1 + Math.exp(0.75 * (i - 12))));
    }
    var paris =
        Series.of(" Paris", Grid.vector(axis, p))
            .within(Grid.vector(axis, low), Grid.vector(axis, high));
    return Lines.over(
            "Target by layer",
            "Where does the model become sure of ' Paris'?",
            axis,
            Panel.of("probability", paris, Series.of(" London", Grid.vector(axis, other))),
            Panel.logarithmic(
                "rank (0 is best)", Series.of("rank of ' Paris'", Grid.vector(axis, rank))))
        .withMarks(List.of(new Mark(25, "decided")));
  }

  static Tokens tokens() {
    float[] scores = {0.2f, 1.9f, 3.4f, 2.1f, 0.1f, -0.6f, 0.0f, -0.1f, 1.1f, 0.4f};
    var tokens = new ArrayList<Token>();
    for (int i = 0; i < scores.length; i++) {
      tokens.add(
          new Token(EIFFEL.get(i), scores[i], List.of("norm of the gradient  " + 2 * scores[i])));
    }
    return new Tokens(
        "Gradient × input",
        "Which tokens push ' Paris' up or down?",
        tokens,
        Scale.diverging("log probability"));
  }

  static Ranking ranking() {
    return new Ranking(
        "Heads",
        "Which heads write ' Paris'?",
        List.of(
            Item.of("22.3", 3.1).within(2.7, 3.5),
            Item.of("25.0", 2.4).within(2.1, 2.6),
            Item.of("18.7", 1.2).within(0.8, 1.4),
            Item.of("27.1", -0.7).within(-1, -0.2),
            Item.of("29.8", -1.9).within(-2.1, -1.6)),
        "logits");
  }

  static Ranking prediction() {
    return new Ranking(
        "Next token",
        "What does the model predict?",
        List.of(
            Item.of(" Paris", 0.7015),
            Item.of(" Mont", 0.0287),
            Item.of(" Mar", 0.0279),
            Item.of(" T", 0.0272),
            Item.of(" La", 0.0263)),
        "probability");
  }

  static Scatter scatter() {
    var random = new Random(5);
    var points = new ArrayList<Point>();
    for (int i = 0; i < 120; i++) {
      double x = random.nextGaussian();
      points.add(
          Point.of(
              x, x + 0.3 * random.nextGaussian(), "head " + i, i % 3 == 0 ? "MLP" : "attention"));
    }
    return Scatter.of(
            "Estimate against measurement",
            "Can attribution patching stand in for patching?",
            "attribution patching (logits)",
            "patching (logits)",
            points)
        .withDiagonal();
  }

  static Flow flow() {
    return new Flow(
        "Paths",
        "Through which parts does the subject reach the answer?",
        List.of(
            new Node(" Tower", 0),
            new Node("iffel", 0),
            new Node("mlp 4", 1),
            new Node("mlp 6", 1),
            new Node("head 22.3", 2),
            new Node("head 25.0", 2),
            new Node(" Paris", 3)),
        List.of(
            new Edge(0, 2, 1.8),
            new Edge(1, 2, 0.9),
            new Edge(1, 3, 1.3),
            new Edge(2, 4, 2.2),
            new Edge(3, 4, 0.8),
            new Edge(3, 5, -0.6),
            new Edge(4, 6, 3.1),
            new Edge(5, 6, 1.4)),
        "logits");
  }

  static Table table() {
    return new Table(
        "Scores",
        "What does the edit cost?",
        List.of("method", "SS (50 is fair)", "LMS", "perplexity", "changed parameters"),
        List.of(
            List.of(
                Cell.of("base"),
                new Quantity(61.289, 57.1, 65.4),
                Cell.of(91.329),
                Cell.of(18.84),
                Cell.of(0)),
            List.of(
                Cell.of("projection of one direction"),
                new Quantity(56.9, 52.6, 61.2),
                Cell.of(89.4),
                Cell.of(27.3),
                Cell.of(34560)),
            List.of(
                Cell.of("random direction"),
                new Quantity(61.1, 56.8, 65.3),
                Cell.of(91.2),
                Cell.of(19.02),
                Cell.of(34560))));
  }

  static Text text() {
    return Text.of(
        "What this cannot show",
        "A lens reads every layer with the output's own eyes. What an early layer holds in another"
            + " form stays unseen, so a late rise does not prove a late decision.",
        "Ranks move before probabilities do.");
  }

  /// The attention patterns of nine heads.
  static SmallMultiples patterns() {
    var random = new Random(11);
    var panels = new ArrayList<HeatMap>();
    int n = EIFFEL.size();
    for (int head = 0; head < 9; head++) {
      float[] values = new float[n * n];
      for (int i = 0; i < n; i++) {
        double sum = 0;
        double[] row = new double[i + 1];
        for (int j = 0; j <= i; j++) {
          boolean here = head % 3 == 0 ? j == i - 1 : head % 3 == 1 ? j == 0 : j == i;
          row[j] = random.nextDouble() * 0.2 + (here ? 2 : 0);
          sum += row[j];
        }
        for (int j = 0; j < n; j++) {
          values[i * n + j] = j <= i ? (float) (row[j] / sum) : Float.NaN;
        }
      }
      Grid grid = Grid.real(List.of(Axis.of("query", EIFFEL), Axis.of("key", EIFFEL)), values);
      panels.add(HeatMap.of("head 3." + head, "", grid, Scale.probability()));
    }
    return new SmallMultiples(
        "Attention patterns of layer 3", "Where does each head look?", panels, Scale.probability());
  }

  static List<View> all() {
    return List.of(
        lens(),
        ablation(),
        lines(),
        tokens(),
        ranking(),
        scatter(),
        flow(),
        table(),
        text(),
        patterns());
  }

  static Report report() {
    var arrays = new LinkedHashMap<String, Grid>();
    arrays.put("lens_top_prob", lens().values());
    return new Report(
        "The Eiffel Tower is located in the city of",
        "SmolLM2-135M-Instruct (30 layers) reading the last position for ' Paris'",
        List.of(
            "The model answers ' Paris' with probability 0.70.",
            "From layer 24 on ' Paris' is the most likely token; 6 of 30 layers could be skipped.",
            "The answer depends most on 'iffel' (layers 0 to 11) and on the last position after"
                + " layer 15."),
        List.of(
            Section.of("prediction", "Prediction", "", List.of(prediction())),
            new Section(
                "lens",
                "Logit lens",
                "Each row reads the residual stream after one layer through the model's own final"
                    + " norm and head. A cell shows the most likely next token where its"
                    + " probability is above 0.2.",
                List.of(lens()),
                arrays),
            Section.of(
                "target",
                "Target by layer",
                "The same reading at the last position, followed for one token.",
                List.of(lines())),
            Section.of("ablation", "Ablation", "", List.of(ablation())),
            Section.of("tokens", "Tokens", "", List.of(tokens(), ranking())),
            Section.of("paths", "Paths and patching", "", List.of(flow(), scatter())),
            Section.of("attention", "Attention", "", List.of(patterns())),
            Section.of("edits", "Edits", "", List.of(table(), text()))),
        provenance(EIFFEL));
  }

  static List<String> manyTokens(int n) {
    return IntStream.range(0, n).mapToObj(i -> EIFFEL.get(i % EIFFEL.size())).toList();
  }

  static Report largeReport() {
    return new Report(
        "300 tokens and 100 layers",
        "",
        List.of(),
        List.of(
            Section.of("long", "Long", "", List.of(lens(manyTokens(300), 30))),
            Section.of("deep", "Deep", "", List.of(lens(EIFFEL, 99)))),
        provenance(manyTokens(300)));
  }
}
