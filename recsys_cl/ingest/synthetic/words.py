"""The words of the made-up shop: one category a community, its nouns, and adjectives for all."""

CATEGORIES = {
    "garden": ("Lantern", "Trowel", "Planter", "Hammock", "Birdbath"),
    "kitchen": ("Kettle", "Skillet", "Whisk", "Teapot", "Grater"),
    "music": ("Ukulele", "Metronome", "Drumstick", "Songbook", "Tambourine"),
    "cycling": ("Saddle", "Pannier", "Bell", "Helmet", "Pump"),
    "astronomy": ("Telescope", "Star Chart", "Sextant", "Tripod", "Orrery"),
    "knitting": ("Yarn", "Needle Case", "Pattern Book", "Shawl Kit", "Spindle"),
    "camping": ("Tent", "Stove", "Compass", "Sleeping Bag", "Flask"),
    "painting": ("Easel", "Brush Set", "Palette", "Canvas", "Sketchbook"),
    "chess": ("Board", "Clock", "Rook Set", "Opening Book", "Score Pad"),
    "baking": ("Rolling Pin", "Cake Tin", "Sieve", "Bread Basket", "Piping Bag"),
    "sailing": ("Rope", "Cleat", "Pennant", "Oilskin", "Barometer"),
    "fiction": ("Novel", "Trilogy", "Novella", "Saga", "Anthology"),
    "electronics": ("Soldering Iron", "Breadboard", "Sensor", "Oscilloscope", "Relay"),
    "climbing": ("Harness", "Carabiner", "Chalk Bag", "Rope Bag", "Crampon"),
    "coffee": ("Grinder", "Dripper", "Roaster", "Moka Pot", "Tamper"),
    "toys": ("Puzzle", "Kite", "Marble Run", "Puppet", "Spinning Top"),
}

ADJECTIVES = (
    *("Amber", "Brass", "Calm", "Copper", "Crimson", "Dusky", "Early", "Faded", "Gentle", "Golden", "Hidden", "Ivory"),
    *("Jade", "Light", "Little", "Lunar", "Mellow", "Misty", "Noble", "Northern", "Old", "Pale", "Plain", "Quiet"),
    *("Rapid", "Round", "Silver", "Slender", "Sturdy", "Swift", "Tidy", "Velvet", "Warm", "Wild", "Winter", "Young"),
)
