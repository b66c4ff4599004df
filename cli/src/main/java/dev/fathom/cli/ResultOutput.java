package dev.fathom.cli;

import dev.fathom.checkpoint.ArrayFile;
import dev.fathom.render.Html;
import dev.fathom.render.Json;
import dev.fathom.render.Terminal;
import dev.fathom.view.Report;
import dev.fathom.view.Result;
import dev.fathom.view.Section;
import dev.fathom.view.View;
import java.util.List;

/// Shows one result in every form that was asked for: text, JSON, a page, arrays.
final class ResultOutput {
  private ResultOutput() {}

  /// @param title of the page: usually the prompt
  /// @param heading of the result's section, a few words
  /// @param explanation how to read the pictures, a few sentences
  static void show(
      Console console,
      OutputOptions output,
      String title,
      String heading,
      String explanation,
      Result result) {
    if (output.json().showsText()) {
      for (View view : result.views()) {
        console.out().println(Terminal.render(view, TerminalStyles.of(console)));
      }
    }
    if (output.json().wantsJson()) {
      output.json().writeJson(console, Json.render(result));
    }
    output
        .html()
        .ifPresent(file ->
            AtomicFile.writeText(file, Html.render(page(title, heading, explanation, result))));
    output.out().ifPresent(file -> ArrayFile.write(file, result.arrays()));
  }

  static Report page(String title, String heading, String explanation, Result result) {
    return new Report(
        title,
        result.provenance().model(),
        List.of(),
        List.of(Section.of(heading, explanation, result)),
        result.provenance());
  }
}
