package dev.fathom.render;

/// A colour in sRGB, channels 0 to 255.
record Rgb(int red, int green, int blue) {
  static final Rgb BLACK = new Rgb(0, 0, 0);
  static final Rgb WHITE = new Rgb(255, 255, 255);

  private static final int[] CUBE = {0, 95, 135, 175, 215, 255};

  /// A colour by its lightness (0 to 1), chroma (about 0 to 0.3) and hue (degrees) in OKLCH, where
  /// equal steps look equal (Ottosson 2020). Colours outside sRGB lose chroma until they fit.
  static Rgb oklch(double lightness, double chroma, double hue) {
    double c = chroma;
    double[] linear = linear(lightness, c, hue);
    while (c > 0 && !inGamut(linear)) {
      c = Math.max(0, c - 0.004);
      linear = linear(lightness, c, hue);
    }
    return new Rgb(encode(linear[0]), encode(linear[1]), encode(linear[2]));
  }

  private static double[] linear(double lightness, double chroma, double hue) {
    double a = chroma * Math.cos(Math.toRadians(hue));
    double b = chroma * Math.sin(Math.toRadians(hue));
    double l = Math.pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
    double m = Math.pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
    double s = Math.pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
    return new double[] {
      4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
      -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
      -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s
    };
  }

  private static boolean inGamut(double[] linear) {
    for (double channel : linear) {
      if (channel < -0.0005 || channel > 1.0005) {
        return false;
      }
    }
    return true;
  }

  private static int encode(double linear) {
    double v = Math.clamp(linear, 0, 1);
    double encoded = v <= 0.0031308 ? 12.92 * v : 1.055 * Math.pow(v, 1 / 2.4) - 0.055;
    return (int) Math.round(255 * encoded);
  }

  /// Relative luminance as WCAG 2 defines it, 0 to 1.
  double luminance() {
    return 0.2126 * decode(red) + 0.7152 * decode(green) + 0.0722 * decode(blue);
  }

  private static double decode(int channel) {
    double v = channel / 255.0;
    return v <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4);
  }

  /// Contrast ratio as WCAG 2 defines it, 1 to 21.
  double contrast(Rgb other) {
    double a = luminance();
    double b = other.luminance();
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }

  /// Black or white, whichever reads better on this colour; the contrast is at least 4.5.
  Rgb ink() {
    return contrast(BLACK) >= contrast(WHITE) ? BLACK : WHITE;
  }

  /// `#rrggbb`
  String hex() {
    return "#%02x%02x%02x".formatted(red, green, blue);
  }

  /// The nearest of the 240 fixed colours of a 256-colour terminal, 16 to 255.
  int ansi256() {
    int r = nearest(red);
    int g = nearest(green);
    int b = nearest(blue);
    int grey = Math.clamp(Math.round((red + green + blue) / 3f - 8) / 10, 0, 23);
    var inCube = new Rgb(CUBE[r], CUBE[g], CUBE[b]);
    var inGreys = new Rgb(8 + 10 * grey, 8 + 10 * grey, 8 + 10 * grey);
    return distance(inCube) <= distance(inGreys) ? 16 + 36 * r + 6 * g + b : 232 + grey;
  }

  /// The colour that [#ansi256] stands for.
  static Rgb ofAnsi256(int index) {
    if (index >= 232) {
      int grey = 8 + 10 * (index - 232);
      return new Rgb(grey, grey, grey);
    }
    int i = index - 16;
    return new Rgb(CUBE[i / 36], CUBE[i / 6 % 6], CUBE[i % 6]);
  }

  private static int nearest(int channel) {
    int best = 0;
    for (int i = 1; i < CUBE.length; i++) {
      if (Math.abs(CUBE[i] - channel) < Math.abs(CUBE[best] - channel)) {
        best = i;
      }
    }
    return best;
  }

  private int distance(Rgb other) {
    int r = red - other.red;
    int g = green - other.green;
    int b = blue - other.blue;
    return r * r + g * g + b * b;
  }
}
