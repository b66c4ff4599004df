package dev.fathom.render;

import com.github.weisj.jsvg.parser.DocumentLimits;
import com.github.weisj.jsvg.parser.LoaderContext;
import com.github.weisj.jsvg.parser.SVGLoader;
import com.github.weisj.jsvg.view.ViewBox;
import dev.fathom.FathomException;
import dev.fathom.view.View;
import java.awt.Component;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import javax.imageio.ImageIO;
import org.jspecify.annotations.Nullable;

/// Draws views as PNG, two pixels for each of the SVG's.
public final class Png {
  private static final double MOST_PIXELS = 50e6;

  /// The reader's usual limit of 2000 elements is meant for icons.
  private static final LoaderContext LIMITS =
      LoaderContext.builder()
          .documentLimits(
              new DocumentLimits(
                  DocumentLimits.DEFAULT_MAX_NESTING_DEPTH,
                  DocumentLimits.DEFAULT_MAX_USE_NESTING_DEPTH,
                  2_000_000))
          .build();

  private Png() {}

  /// One view on white.
  public static byte[] render(View view) {
    return render(view, Theme.LIGHT);
  }

  /// One view; a picture that would be larger than 50 million pixels is drawn smaller.
  ///
  /// @throws FathomException if this Java has no fonts to draw with
  public static byte[] render(View view, Theme theme) {
    return render(view.title(), List.of(view), theme);
  }

  /// Several views below each other; otherwise as [#render(View, Theme)].
  ///
  /// @param name what the picture is called if it cannot be made
  public static byte[] render(String name, List<View> views, Theme theme) {
    String svg = Svg.render(name, views, theme == Theme.AUTO ? Theme.LIGHT : theme);
    var document =
        new SVGLoader()
            .load(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)), null, LIMITS);
    if (document == null) {
      throw new FathomException("the picture '" + name + "' could not be read as SVG");
    }
    double width = document.size().width;
    double height = document.size().height;
    double zoom = Math.min(2, Math.sqrt(MOST_PIXELS / (width * height)));
    var image =
        new BufferedImage(
            (int) Math.max(1, Math.round(width * zoom)),
            (int) Math.max(1, Math.round(height * zoom)),
            BufferedImage.TYPE_INT_RGB);
    var graphics = image.createGraphics();
    try {
      graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      graphics.setRenderingHint(
          RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
      graphics.scale(zoom, zoom);
      @Nullable Component none = null;
      document.render(none, graphics, new ViewBox((float) width, (float) height));
      var bytes = new ByteArrayOutputStream();
      ImageIO.write(image, "png", bytes);
      return bytes.toByteArray();
    } catch (IOException e) {
      throw new FathomException("the picture '" + name + "' could not be written as PNG", e);
    } catch (InternalError | UnsatisfiedLinkError | NoClassDefFoundError e) {
      throw new FathomException(
          "this Java cannot draw text: install fontconfig and a font such as DejaVu", e);
    } finally {
      graphics.dispose();
    }
  }
}
