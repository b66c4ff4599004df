package dev.fathom.refine.study;

import dev.fathom.explain.report.Figure;
import dev.fathom.explain.report.Figure.Drawn;
import dev.fathom.refine.study.RoutingStudy.Measured;
import dev.fathom.view.Grid;
import dev.fathom.view.Result;
import dev.fathom.view.View;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/// The thesis' figures and tables about refinement, drawn from what studies left in their
/// directory.
///
/// ```java
/// var config = Figures.Config.standard().with(StudyFigures.of(Optional.of(studies)));
/// Path page = Figures.run(model, tokenizer, directory, config);
/// ```
///
/// Nothing is trained: what no study made is missing.
public final class StudyFigures {
  /// Data of Fig C.2; all others are of Fig 5.3.
  private static final Set<String> APPENDIX = Set.of("boolq", "obqa", "mawps");

  private final Optional<Path> studies;

  private StudyFigures(Optional<Path> studies) {
    this.studies = studies;
  }

  /// @param studies the directory of `fathom study`; empty where there is none
  public static List<Figure> of(Optional<Path> studies) {
    return new StudyFigures(studies).all();
  }

  private Figure figure(
      String id,
      String title,
      String expected,
      String study,
      Function<StudyDirectory, Optional<Drawn>> make) {
    String command = "fathom study %s -m MODEL --data DATA --out-dir STUDIES".formatted(study);
    return new Figure(
        id,
        title,
        expected,
        new Figure.Source.Runs(command),
        subject ->
            studies.flatMap(folder -> make.apply(new StudyDirectory(folder, subject.model()))));
  }

  private List<Figure> all() {
    return List.of(
        figure(
            "4.7",
            "Losses of late layers while they are tuned",
            "LLaMA2-7B on ARC: whether the loss is taken at the last layer or at each late layer by"
                + " itself, the curves of earlier layers begin worse and come down to similar levels.",
            "layers --tasks arc-e",
            directory -> drawn(directory.layers(), LayerStudy::curves, LayerStudy::ended)),
        figure(
            "4.8",
            "Problems that tuned layers solve",
            "LLaMA2-7B on AQuA, ARC-c and GSM8K: models tuned at different late layers solve problems"
                + " of their own besides those that all of them solve.",
            "layers --tasks aqua,arc-c",
            directory ->
                drawn(
                    directory.layers().stream().filter(LayerStudy::asked).toList(),
                    LayerStudy::solved,
                    LayerStudy::counted)),
        figure(
            "5.2",
            "Sparsity of the routes while they are learnt",
            "Share of tokens for which a layer of LLaMA-7B counts nothing, on ARC-e with k = 3."
                + " Without LoRA on the late layers that of the last layer stays low, that of layer"
                + " 30 falls and that of layer 29 rises; with it the last layer's is much higher and"
                + " the others' are low.",
            "routing --tasks arc-e",
            directory -> routing(directory, Measured.SPARSITY)),
        figure(
            "C.1",
            "Mean and variance of the routes while they are learnt",
            "The same runs. Without LoRA on the late layers the last layer's variance stays high;"
                + " with it its mean and variance are low. (So the text; the caption has left and"
                + " right exchanged.)",
            "routing --tasks arc-e",
            directory -> routing(directory, Measured.MEAN, Measured.VARIANCE)),
        figure(
            "5.3",
            "k late layers by K that count",
            "The best k is often 3 or 4; GSM8K loses at k = 6, ARC-e gains with every k. K = k is best,"
                + " and fewer are still better than k = 1.",
            "grid --tasks arc-e,arc-c --late 6",
            directory -> grids(directory, false)),
        figure(
            "C.2",
            "k late layers by K that count, further data",
            "The same on BoolQ, OBQA and MAWPS.",
            "grid --tasks boolq,obqa,mawps --late 4",
            directory -> grids(directory, true)),
        figure(
            "5.4",
            "The mixture without its parts",
            "LLaMA2-7B on ARC-e, ARC-c, BoolQ and OBQA: without norms of its own the mixture is worse,"
                + " and without distillation more so.",
            "ablations --tasks arc-e,arc-c,boolq,obqa",
            directory -> directory.ablations().map(StudyFigures::accuracies)),
        figure(
            "table-5.1",
            "Accuracy on arithmetic",
            "Mean over seven sets, in %. LLaMA-7B: LoRA below the late layers 46.6, everywhere 48.8,"
                + " below with the mixture 48.7, everywhere with it 49.2; LLaMA2-7B: 50.5, 54.5, 54.0,"
                + " 54.8.",
            "tables --tasks mawps",
            directory -> directory.tables(true).map(StudyFigures::accuracies)),
        figure(
            "table-5.2",
            "Accuracy on commonsense",
            "Mean over four sets, in %. LLaMA-7B: LoRA below the late layers 64.5, everywhere 67.4,"
                + " below with the mixture 67.5, everywhere with it 69.2; LLaMA2-7B: 68.7, 72.1, 72.6,"
                + " 73.4.",
            "tables --tasks arc-e,arc-c,boolq,obqa",
            directory -> directory.tables(false).map(StudyFigures::accuracies)),
        figure(
            "table-5.3",
            "Acceleration by leaving early",
            "Times as fast as the LoRA baseline with k = 3, for Top-2 to Top-5: 1.4, 1.5, 1.4, 1.2 on"
                + " ARC-e and 1.6, 1.4, 1.3, 1.1 on ARC-c. Skipped blocks allow 32 / 30 = 1.07.",
            "acceleration --run TUNED --tasks arc-e,arc-c",
            directory ->
                directory
                    .acceleration()
                    .map(study -> new Drawn(study.views(), study.arrays(), study.found()))));
  }

  /// One figure of several studies; empty for none.
  private static <S extends Result> Optional<Drawn> drawn(
      List<S> studies, Function<S, List<View>> views, Function<S, String> found) {
    var arrays = new LinkedHashMap<String, Grid>();
    studies.forEach(study -> arrays.putAll(study.arrays()));
    return studies.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new Drawn(
                studies.stream().flatMap(study -> views.apply(study).stream()).toList(),
                arrays,
                studies.stream().map(found).collect(Collectors.joining(" "))));
  }

  private static Optional<Drawn> routing(StudyDirectory directory, Measured... measured) {
    return drawn(
        directory.routing().stream().toList(),
        study -> study.curves(measured),
        study ->
            "%s. %s"
                .formatted(
                    study.subject(),
                    List.of(measured).stream().map(study::ended).collect(Collectors.joining(" "))));
  }

  private static Optional<Drawn> grids(StudyDirectory directory, boolean appendix) {
    return drawn(
        directory.grids().stream()
            .filter(grid -> APPENDIX.contains(grid.subject()) == appendix)
            .toList(),
        GridStudy::views,
        GridStudy::found);
  }

  private static Drawn accuracies(AccuracyStudy study) {
    return new Drawn(study.views(), study.arrays(), study.found());
  }
}
