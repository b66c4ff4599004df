package dev.fathom.explain.report;

import dev.fathom.FathomException;
import dev.fathom.Version;
import dev.fathom.checkpoint.ArrayFile;
import dev.fathom.data.Prompt;
import dev.fathom.data.Target;
import dev.fathom.explain.Question;
import dev.fathom.explain.causal.Ablation;
import dev.fathom.explain.causal.AblationResult;
import dev.fathom.explain.lens.LensResult;
import dev.fathom.explain.lens.LogitLens;
import dev.fathom.explain.parts.TokenDecomposition;
import dev.fathom.explain.parts.TokenDecompositionResult;
import dev.fathom.explain.report.Figure.Drawn;
import dev.fathom.model.Transformer;
import dev.fathom.render.Gallery;
import dev.fathom.render.Png;
import dev.fathom.render.Svg;
import dev.fathom.render.Theme;
import dev.fathom.text.Tokenizer;
import dev.fathom.view.Axis;
import dev.fathom.view.Grid;
import dev.fathom.view.View;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/// Does a model of mine show what the thesis saw in LLaMA-7B? Its figures, drawn anew for any
/// causal model on the same three prompts: for each one `figure-ID.svg`, `figure-ID.png`, the
/// arrays as `figure-ID.safetensors`, and last `figure-ID.json`, without which it does not count as
/// made; `index.html` shows all that are there.
///
/// A figure more is a line in [#ALL]; [Config#with] adds those that need data, or what other
/// commands left. The page says which of the wanted ones are missing, and what makes them.
///
/// It misleads where a model does not know the answer: the picture is then of another question. The
/// line under each figure says how likely the target is in the end.
///
/// `figure-ID.json` is an object of strings: `format` (`fathom.figure/1`), `id`, `found` (what is
/// drawn), `origin`, and `model`, `weights` (SHA-256) and `dtype`, which a later run must share.
public final class Figures {
  /// The prompts of section 4.1.1 with their targets.
  enum Asked {
    KNOWLEDGE("The Eiffel Tower is located in the city of", " Paris"),
    IOI("When Mary and John went to the store, John gave a drink to", " Mary"),
    GENDER(
        "What gender (men or women) are pilots associated with? They are associated with", " men");

    private final String text;
    private final String target;

    Asked(String text, String target) {
      this.text = text;
      this.target = target;
    }
  }

  private static final String LENS =
      "each position of each layer of LLaMA-7B read through the head; colour is the probability of"
          + " the best token, written where it exceeds 0.2.";

  private static final String PARTS =
      "the last position of each layer of LLaMA-7B, split by the token it comes from; each part is"
          + " read through the head, and its best token written where its probability exceeds 0.2.";

  private static final List<Figure> ALL =
      List.of(
          figure(
              "4.1",
              "Logit lens, knowledge prompt",
              "Knowledge prompt, "
                  + LENS
                  + " It grows confident after layers 18 to 20 of 32, and what is once likely stays"
                  + " so.",
              s -> s.lens(Asked.KNOWLEDGE)),
          figure(
              "4.2",
              "Probability and rank of the target by layer",
              "The target of each of the three prompts, by layer: probability and rank go together,"
                  + " and the rank often improves while the probability is still low.",
              Subject::targets),
          figure(
              "4.3",
              "Zero ablation, gender prompt",
              "What the target's logit loses when attention, the MLP, both, or attention in what"
                  + " the MLP reads is zeroed at one layer and position of LLaMA-7B. Early layers"
                  + " at the subject matter, and attention of late layers at the last position.",
              Subject::ablations),
          figure(
              "4.4",
              "Token decomposition, knowledge prompt",
              "Knowledge prompt, " + PARTS + " ' Paris' comes from 'Eiffel Tower', in late layers.",
              s -> s.parts(Asked.KNOWLEDGE)),
          figure(
              "B.1",
              "Logit lens, indirect object",
              "Indirect-object prompt, "
                  + LENS
                  + " At the last position layer 29 is confident of the right name, the two after"
                  + " it less.",
              s -> s.lens(Asked.IOI)),
          figure(
              "B.2",
              "Logit lens, gender prompt",
              "Gender prompt, " + LENS,
              s -> s.lens(Asked.GENDER)),
          figure(
              "B.3",
              "Token decomposition, indirect object",
              "Indirect-object prompt, "
                  + PARTS
                  + " The right name appears late, at the first token.",
              s -> s.parts(Asked.IOI)),
          figure(
              "B.4",
              "Token decomposition, gender prompt",
              "Gender prompt, " + PARTS,
              s -> s.parts(Asked.GENDER)));

  private static Figure figure(
      String id, String title, String expected, Function<Subject, Drawn> make) {
    return new Figure(
        id,
        title,
        expected,
        new Figure.Source.Model(),
        subject -> Optional.of(make.apply(subject)));
  }

  private Figures() {}

  /// @param more figures besides those that need the model alone
  /// @param only numbers of the figures wanted, or none for all
  /// @param force whether figures that are there are made again, whatever model they are of
  /// @param budget memory that changed runs may take at a time, in bytes
  /// @param told one line for each figure, when it is made, found or missing
  public record Config(
      List<Figure> more, List<String> only, boolean force, long budget, Consumer<String> told) {
    /// @throws IllegalArgumentException if there is no such figure
    public Config {
      more = List.copyOf(more);
      only = List.copyOf(only);
      List<String> ids = all(more).stream().map(Figure::id).toList();
      for (String id : only) {
        if (!ids.contains(id)) {
          throw new IllegalArgumentException(
              "There is no figure '%s': choose from %s.".formatted(id, String.join(", ", ids)));
        }
      }
    }

    /// All that are not there yet.
    public static Config standard() {
      return new Config(List.of(), List.of(), false, Ablation.Config.standard().budget(), _ -> {});
    }

    /// The same with more figures.
    public Config with(List<Figure> more) {
      return new Config(more, only, force, budget, told);
    }

    public Config of(String... ids) {
      return new Config(more, List.of(ids), force, budget, told);
    }

    /// Makes again what is there.
    public Config forced() {
      return new Config(more, only, true, budget, told);
    }

    public Config within(long bytes) {
      return new Config(more, only, force, bytes, told);
    }

    public Config telling(Consumer<String> told) {
      return new Config(more, only, force, budget, told);
    }

    private List<Figure> figures() {
      return all(more);
    }

    private boolean wants(Figure figure) {
      return only.isEmpty() || only.contains(figure.id());
    }
  }

  /// In the order of the page: by number, figures before tables.
  private static List<Figure> all(List<Figure> more) {
    return Stream.concat(ALL.stream(), more.stream()).sorted(Figure.ORDER).toList();
  }

  /// Makes the figures that are wanted and not there yet, and the page of all that are there.
  ///
  /// @return the page
  /// @throws IllegalArgumentException if the model does not continue texts
  /// @throws FathomException if the directory holds figures of another model, or cannot be written
  public static Path run(Transformer model, Tokenizer tokenizer, Path directory, Config config) {
    if (!model.card().causal()) {
      throw new IllegalArgumentException(
          "The figures are of models that continue a text, and %s fills in words: choose a causal model."
              .formatted(model.card().name()));
    }
    var subject = new Subject(model, tokenizer, config.budget);
    var plates = new ArrayList<Gallery.Plate>();
    var missing = new ArrayList<Gallery.Missing>();
    try {
      Files.createDirectories(directory);
      requireSameModel(directory, model, config);
      for (Figure figure : config.figures()) {
        if (config.wants(figure)) {
          made(figure, subject, directory, config);
        }
        if (Files.exists(file(directory, figure, "json"))) {
          plates.add(plate(figure, directory));
        } else if (config.wants(figure)) {
          figure
              .from()
              .madeBy()
              .ifPresent(command -> missing.add(new Gallery.Missing(title(figure), command)));
        }
      }
      Path index = directory.resolve("index.html");
      var page =
          new Gallery(
              "Figures of the thesis",
              "Drawn for %s in %s".formatted(model.card().name(), dtype(model)),
              plates,
              missing);
      replace(index, page.html());
      return index;
    } catch (IOException e) {
      throw new FathomException(
          "%s: figures cannot be kept there (%s)".formatted(directory, e.getMessage()), e);
    }
  }

  /// Makes a figure unless it is there and stays, and tells what came of it.
  private static void made(Figure figure, Subject subject, Path directory, Config config)
      throws IOException {
    boolean there = Files.exists(file(directory, figure, "json"));
    if (there && !config.force && figure.from().stays()) {
      config.told.accept(named(figure) + " is there already");
      return;
    }
    long start = System.nanoTime();
    Optional<Drawn> drawn = figure.make().apply(subject);
    if (drawn.isPresent()) {
      write(figure, drawn.get(), subject.model, directory);
      config.told.accept(
          String.format(
              Locale.ROOT,
              "%s: %s, %.1f s",
              named(figure),
              figure.title(),
              (System.nanoTime() - start) / 1e9));
    } else if (!there) {
      figure
          .from()
          .madeBy()
          .ifPresent(command ->
              config.told.accept("%s is missing: %s makes it".formatted(named(figure), command)));
    }
  }

  private static Path file(Path directory, Figure figure, String ending) {
    return directory.resolve(figure.file() + "." + ending);
  }

  /// Its name within a sentence.
  private static String named(Figure figure) {
    return Character.toLowerCase(figure.name().charAt(0)) + figure.name().substring(1);
  }

  private static String title(Figure figure) {
    return "%s: %s".formatted(figure.name(), figure.title());
  }

  private static void replace(Path path, String text) throws IOException {
    Path fresh = path.resolveSibling("." + path.getFileName() + ".part");
    Files.writeString(fresh, text);
    Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  private static String dtype(Transformer model) {
    return model.card().dtype().name().toLowerCase(Locale.ROOT);
  }

  /// A directory is of one model. With `force`, figures of another that are not made again go.
  private static void requireSameModel(Path directory, Transformer model, Config config)
      throws IOException {
    for (Figure figure : config.figures()) {
      Path path = file(directory, figure, "json");
      if (!Files.exists(path)) {
        continue;
      }
      JsonNode card = card(path);
      boolean same =
          card.path("model").asString("").equals(model.card().name())
              && card.path("weights").asString("").equals(model.card().sha256().get())
              && card.path("dtype").asString("").equals(dtype(model));
      if (same) {
        continue;
      }
      if (!config.force) {
        throw new FathomException(
            "%s holds figures of %s in %s, with other weights or numbers than %s in %s: choose another directory, or make them again with --force."
                .formatted(
                    directory,
                    card.path("model").asString("another model"),
                    card.path("dtype").asString("other numbers"),
                    model.card().name(),
                    dtype(model)));
      }
      Files.delete(path);
    }
  }

  private static JsonNode card(Path path) throws IOException {
    try {
      return JsonMapper.shared().readTree(Files.readString(path));
    } catch (JacksonException e) {
      throw new FathomException(
          path + ": does not describe a figure; remove it, or choose another directory", e);
    }
  }

  private static void write(Figure figure, Drawn drawn, Transformer model, Path directory)
      throws IOException {
    Path card = file(directory, figure, "json");
    Files.deleteIfExists(card);
    String name = title(figure);
    Files.writeString(file(directory, figure, "svg"), Svg.render(name, drawn.views(), Theme.LIGHT));
    Files.write(file(directory, figure, "png"), Png.render(name, drawn.views(), Theme.LIGHT));
    ArrayFile.write(file(directory, figure, "safetensors"), drawn.arrays());
    ObjectNode json = JsonMapper.shared().createObjectNode();
    String weights = model.card().sha256().get();
    json.put("format", "fathom.figure/1")
        .put("id", figure.id())
        .put("found", drawn.found())
        .put(
            "origin",
            "%s, weights %.12s…, %s, Fathom %s"
                .formatted(model.card().name(), weights, dtype(model), Version.current()))
        .put("model", model.card().name())
        .put("weights", weights)
        .put("dtype", dtype(model));
    replace(card, json.toPrettyString() + "\n");
  }

  private static Gallery.Plate plate(Figure figure, Path directory) throws IOException {
    JsonNode card = card(file(directory, figure, "json"));
    return new Gallery.Plate(
        figure.id(),
        title(figure),
        figure.expected(),
        card.path("found").asString(""),
        card.path("origin").asString(""),
        Files.readString(file(directory, figure, "svg")),
        List.of("svg", "png", "safetensors").stream()
            .map(ending -> String.valueOf(file(directory, figure, ending).getFileName()))
            .toList());
  }

  /// What figures are made from; what several of them need is computed once.
  public static final class Subject {
    private final Transformer model;
    private final Tokenizer tokenizer;
    private final long budget;
    private final Map<Asked, LensResult> lenses = new EnumMap<>(Asked.class);

    Subject(Transformer model, Tokenizer tokenizer, long budget) {
      this.model = model;
      this.tokenizer = tokenizer;
      this.budget = budget;
    }

    public Transformer model() {
      return model;
    }

    public Tokenizer tokenizer() {
      return tokenizer;
    }

    private Prompt prompt(Asked asked) {
      return Prompt.of(tokenizer, asked.text, Prompt.Options.PLAIN)
          .requireFits(model.card().context(), 0);
    }

    private Target target(Asked asked) {
      return Target.of(tokenizer, prompt(asked), asked.target);
    }

    private Question question(Asked asked) {
      return Question.of(prompt(asked), target(asked).id());
    }

    private LensResult read(Asked asked) {
      @Nullable LensResult known = lenses.get(asked);
      if (known == null) {
        known =
            LogitLens.run(
                model,
                tokenizer,
                prompt(asked),
                LogitLens.Config.standard().withTarget(target(asked).id()));
        lenses.put(asked, known);
      }
      return known;
    }

    /// How the target fares, in one sentence.
    private String outcome(Asked asked) {
      LensResult lens = read(asked);
      String several =
          target(asked).ids().size() > 1
              ? ", the first of %d tokens of '%s',"
                  .formatted(target(asked).ids().size(), asked.target)
              : "";
      String settled =
          lens.settled() < lens.rows()
              ? "it is the first choice from layer %d of %d on"
                  .formatted(lens.settled(), lens.rows() - 1)
              : "the model says '%s' instead".formatted(lens.said(lens.position()));
      return String.format(
          Locale.ROOT,
          "'%s'%s ends with probability %.3f, rank %d; %s.",
          lens.target(),
          several,
          lens.probability(),
          lens.rank(),
          settled);
    }

    Drawn lens(Asked asked) {
      return new Drawn(
          List.of(read(asked).heatMap()),
          read(asked).arrays(),
          "After '%s' %s".formatted(asked.text, outcome(asked)));
    }

    Drawn targets() {
      Axis layers = read(Asked.KNOWLEDGE).targetProbability().axis(0);
      var probability = new ArrayList<View.Series>();
      var rank = new ArrayList<View.Series>();
      var arrays = new LinkedHashMap<String, Grid>();
      var found = new ArrayList<String>();
      for (Asked asked : Asked.values()) {
        LensResult lens = read(asked);
        String name = "%s: '%s'".formatted(asked.name().toLowerCase(Locale.ROOT), lens.target());
        Grid p = column(layers, lens.targetProbability(), lens.position());
        Grid r = column(layers, lens.targetRank(), lens.position());
        probability.add(View.Series.of(name, p));
        rank.add(View.Series.of(name, r));
        arrays.put(asked.name().toLowerCase(Locale.ROOT) + "_target_prob", p);
        arrays.put(asked.name().toLowerCase(Locale.ROOT) + "_target_rank", r);
        found.add(outcome(asked));
      }
      var view =
          View.Lines.over(
              "Target by layer",
              "At which layer does each prompt's target become likely?",
              layers,
              View.Panel.of("probability", probability.toArray(View.Series[]::new)),
              View.Panel.logarithmic("rank, 0 is best", rank.toArray(View.Series[]::new)));
      return new Drawn(List.of(view), arrays, String.join(" ", found));
    }

    private static Grid column(Axis layers, Grid values, int position) {
      float[] column = new float[layers.size()];
      for (int row = 0; row < column.length; row++) {
        column[row] = (float) values.at(row, position);
      }
      return Grid.vector(layers, column);
    }

    Drawn ablations() {
      AblationResult result =
          Ablation.run(
              model,
              tokenizer,
              question(Asked.GENDER),
              Ablation.Config.standard()
                  .of(
                      Ablation.Part.ATTENTION,
                      Ablation.Part.MLP,
                      Ablation.Part.BOTH,
                      Ablation.Part.ATTENTION_TO_MLP)
                  .within(budget));
      return new Drawn(
          result.views(),
          result.arrays(),
          "%s %s".formatted(outcome(Asked.GENDER), greatest(result)));
    }

    /// Where most is lost, in one sentence.
    private static String greatest(AblationResult result) {
      String said = "Nothing is lost anywhere.";
      double most = 0;
      for (var map : result.effects().entrySet()) {
        Grid effect = map.getValue();
        for (int layer = 0; layer < effect.axis(0).size(); layer++) {
          for (int p = 0; p < effect.axis(1).size(); p++) {
            if (effect.at(layer, p) > most) {
              most = effect.at(layer, p);
              said =
                  String.format(
                      Locale.ROOT,
                      "Its logit is %.2f and loses most, %.2f, without %s of layer %d at '%s'"
                          + " (position %d).",
                      result.clean(),
                      most,
                      map.getKey().title(),
                      layer,
                      effect.axis(1).label(p),
                      p);
            }
          }
        }
      }
      return said;
    }

    Drawn parts(Asked asked) {
      TokenDecompositionResult result =
          TokenDecomposition.run(
              model, tokenizer, question(asked), TokenDecomposition.Config.standard());
      int best = 0;
      for (int slot = 1; slot < result.tokens(); slot++) {
        best = result.score(slot) > result.score(best) ? slot : best;
      }
      return new Drawn(
          List.of(result.lens()),
          result.arrays(),
          String.format(
              Locale.ROOT,
              "%s Of the logit of %.2f most, %+.2f, comes from '%s' (position %d).",
              outcome(asked),
              result.logit(),
              result.score(best),
              result.frozen().axis(1).label(best),
              best));
    }
  }
}
