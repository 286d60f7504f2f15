"""The files of a run folder besides weights and settings: who writes them and who reads them."""

# Of a training: see ``train.run_folder`` and ``train.page``.
LOG_FILE, ENVIRONMENT_FILE, FACTS_FILE = "log.csv", "environment.json", "facts.json"
VALIDATION_FOLDER = "validation"  # the scores of the validation images, in files as below

# Of an evaluation: see ``evaluate.scores``.
METRICS_FILE, CASES_FILE, MASKS_FILE = "metrics.json", "cases.csv", "masks.json"
MEAN_ROW = "(mean)"  # in the column "class" of the cases: the mean over the classes of that image

PAGE_FILE = "report.html"  # of both: see ``report.runs.page``
