"""Upper bounds of input, each far above any real use.

Beyond a bound, one sentence names the field, the value and the bound, before memory is taken or time is spent.
"""

# Files
DOCUMENT_BYTES = 16 * 2**20  # of a YAML or JSON file that a person writes
NESTING = 64  # mappings and lists inside each other
DOCUMENT_NODES = 1_000_000  # of a YAML file, with each alias counted as what it stands for; also of a JSON file
DIGITS = 300  # of a whole number; the largest float has 309

# Traces and data sets
DATA_BYTES = 16 * 2**30  # of a file, also once unpacked; the largest public trace has some 1 GB
TRACE_LINE = 4 * 2**20  # characters of a line; a prompt of a million tokens has fewer
TRACE_REQUESTS = 100_000_000  # in memory; the largest public trace has 27 million
TRACE_SPAN_S = 1e11  # between two requests; some 3,000 years

# Numbers
SMALLEST, LARGEST = 1e-100, 1e100  # of a rate and of a time, so that no product or quotient overflows

# Systems
BLOCKS = 1_000  # of a model; the largest have some 130, and GCA takes time and memory for the square
WIDTH = 10_000_000  # of a model's layers, heads and vocabulary; the largest have some 250,000
SERVERS = 1_000_000  # of a cluster
DEVICES = 1_000  # of a machine; racks have 72 GPUs
NODES = 5_000  # of a network with a time between each two; 200 MB
SLOTS = 1_000_000_000  # that a layout can hold jobs in
EXACT_SLOTS = 2_000_000  # that jobs reach in the exact theory with at most EXACT_NODES nodes, about 6 s
EXACT_NODES = 160
SUMMED_SLOTS = 100_000_000  # that jobs reach in Theorem 4's bounds, about 3 s

# Times
ROUND_TRIPS = 1000  # for each block, when the shape of a batch is new; llama.cpp needs 3
DELAY_S = 10.0  # of a message or round trip, over a satellite .6; milliseconds given as seconds are above it
SLOWDOWN = 1_000_000.0
CV = 1000.0  # of random times: their standard deviation over their mean

# Work
JOBS = 10_000_000_000  # of a workload; only streams reach this
STACK = 100_000  # steps that a batch curve covers
TOKENS = 1_000_000_000  # of one request
DRAWS = 1_000_000
REPLICATIONS = 1_000_000
RUNS = 10_000_000  # of a point: its draws times its replications
POINTS = 1_000_000  # of a sweep
AXIS = 100_000  # values of an axis
SHARED_CHAINS = 3_000  # of the theory of interference, which looks at every pair; 72 MB
CANDIDATES = 1_000_000  # that a search tries one by one
CURVE = 1_000_000  # points of a curve
WORKERS = 10_000  # of a sweep
OVERRIDE = 131_072  # characters of a word `key=value`; systems take no longer ones

# Numbers of a configuration, by the unit in which their names end; a longer unit comes before its own end
LARGEST_BY_UNIT = {
    "gb_per_s": 10_000_000,
    "mbit_per_s": 100_000_000,
    "per_s": 1_000_000_000,
    "gb": 20_000,
    "gflop": 100_000,
    "tflops": 1_000_000,
    "ms_per_km": 1000,
    "km": 50_000,
    "ms": 1_000_000_000,
    "s": 1_000_000_000,
    "w": 1_000_000_000,
}
LARGEST_PLAIN = 10**15  # of other numbers
SMALLEST_PLAIN = 1e-15  # of all numbers but 0
SEED = 2**64 - 1  # of whole numbers without a unit

# Stores
STORED_BYTES = 2**30  # of a file of a store
NAME_BYTES = 150  # of a name that becomes a file or folder, as endings are added to it

# Servers of real runs
LARGEST_SEED = 2**63 - 1  # of weights
THREADS = 10_000  # of a server
STEP_S = 3600.0  # seconds that a paced step may last
CLOCK_S = 1e9  # seconds of any time in a message, and of a clock that began when the machine did
WAITING_REQUESTS = 10_000  # at a server, beside WAITING_PER_SLOT for each of its cache slots
WAITING_PER_SLOT = 10
GUESTS = 1_000  # orchestrators that wait for a server
REFUSALS = 100  # of messages of one connection, after which it is closed
TEXT_BYTES = 2**20  # of the text of a message
UNREAD_BYTES = 2**17  # of a connection, beside a message of the largest size, until a message is complete
SECRET_CHARACTERS = 16  # at least

# Hardware
MEMORY_GB = 20_000  # of a server; a rack of 72 GPUs has 14,000
PREFILL_TFLOPS = 1_000_000  # likewise 360,000, and twice as many in 8 bit
LINK_MBYTES_PER_S = 2_000_000  # between servers; NVLink has 900,000
BANDWIDTH_GB_PER_S = 1_000_000  # likewise 580,000
OVERHEAD_MS = 500  # of a block and job; usual are 1 ms
RTT_MS = 1e3 * DELAY_S
COST_PER_HOUR = 1_000_000_000  # in any currency
POWER_W = 200_000  # a rack of 72 GPUs takes 132,000
ROUNDS = 10_000  # of a profile's measurement; usual are 15

# Plans
NAME = 200  # characters of a name
TEXT = 4096  # characters of other texts, such as paths
RATE_PER_S = 1_000_000  # of requests
SLO_S = 1_000_000_000  # of a response, 30 years

# Messages
ECHO = 80  # characters of a value in a message; of a list or mapping three times as many
LISTED = 600  # characters of a list of known names in a message
MESSAGE = 1000  # characters of a message
