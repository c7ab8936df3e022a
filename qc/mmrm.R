# The plan's mixed models for repeated measures a third time, in R: nlme::gls, and mmrm where it is installed.
#
#   Rscript qc/mmrm.R STUDY/build/qc STUDY/results/estimates.csv
#
# nlme gives estimates and model-based standard errors, held against those of the results' own unstructured fit; mmrm
# gives those of Kenward and Roger (linear form) with their degrees of freedom, held against the reported ones. Prints
# the largest relative difference of each outcome; exit status 1 where one is above the limit.

LIMIT <- 1e-4
options(warn = 1)
suppressPackageStartupMessages(library(nlme))
arguments <- commandArgs(trailingOnly = TRUE)
if (length(arguments) != 2) stop("usage: Rscript qc/mmrm.R FRAMES ESTIMATES")
frames <- read.csv(file.path(arguments[1], "frames.csv"), stringsAsFactors = FALSE)
results <- read.csv(arguments[2], stringsAsFactors = FALSE, na.strings = "")
results[is.na(results)] <- ""
with_mmrm <- requireNamespace("mmrm", quietly = TRUE) && requireNamespace("emmeans", quietly = TRUE)

reported <- function(analysis, outcome, context, visit, arm, reference, name) {
  found <- results[results$analysis == analysis & results$outcome == outcome & results$context == context &
    results$visit == visit & results$contrast == paste(arm, "-", reference) & results$stat_name == name, "stat"]
  if (length(found) == 1) as.numeric(found) else NA
}

worst <- 0
for (i in seq_len(nrow(frames))) {
  one <- frames[i, ]
  data <- read.csv(file.path(arguments[1], one$file), stringsAsFactors = TRUE)
  data$unit <- factor(data$unit)
  contrasts <- unique(results[results$analysis == one$analysis & results$contrast != "", "contrast"])
  reference <- sub(".* - ", "", contrasts[1])
  arms <- c(reference, setdiff(levels(data$arm), reference))
  visits <- unique(as.character(data$visit[order(match(data$visit, levels(data$visit)))]))
  data$visit <- factor(as.character(data$visit), levels = visits)
  data$place <- as.integer(data$visit)
  # A coefficient for each difference between arms at a visit.
  columns <- character(0)
  for (arm in arms[-1]) for (visit in visits) {
    name <- paste0("d", length(columns) + 1)
    data[[name]] <- as.numeric(data$arm == arm & data$visit == visit)
    columns <- c(columns, setNames(name, paste(arm, visit, sep = "\t")))
  }
  terms <- c("0 + visit", columns)
  if (one$baseline == "by_visit") terms <- c(terms, "baseline:visit")
  if (one$baseline == "common") terms <- c(terms, "baseline")
  others <- paste0("x", seq_len(one$adjustments) - 1)[seq_len(one$adjustments)]
  others <- others[vapply(others, function(x) length(unique(data[[x]])) > 1, logical(1))]
  formula <- as.formula(paste("value ~", paste(c(terms, others), collapse = " + ")))
  fit <- gls(formula, data, method = "REML",
    correlation = if (length(visits) > 1) corSymm(form = ~ place | unit),
    weights = if (length(visits) > 1) varIdent(form = ~ 1 | visit),
    control = glsControl(maxIter = 500, msMaxIter = 500, tolerance = 1e-10, msTol = 1e-12, opt = "nlminb"))
  gap <- 0
  for (key in names(columns)) {
    at <- strsplit(key, "\t")[[1]]
    found <- c(coef(fit)[[columns[[key]]]], sqrt(diag(vcov(fit)))[[columns[[key]]]])
    of_us <- vapply(c("estimate", "std_error"), function(name) {
      reported(one$analysis, one$outcome, "check=structure us", at[2], at[1], reference, name)
    }, numeric(1))
    gap <- max(gap, abs(found[1] - of_us[1]) / of_us[2], abs(found[2] / of_us[2] - 1))
  }
  line <- sprintf("%-12s %-26s nlme %.0e", one$analysis, one$outcome, gap)
  if (with_mmrm) {
    whole <- mmrm::mmrm(update(formula, . ~ . + us(visit | unit)), data, method = "Kenward-Roger",
      vcov = "Kenward-Roger-Linear")
    gap_kr <- 0
    for (key in names(columns)) {
      at <- strsplit(key, "\t")[[1]]
      L <- as.numeric(names(coef(whole)) == columns[[key]])
      test <- mmrm::df_1d(whole, L)
      found <- c(test$est, test$se, test$df)
      ours <- vapply(c("estimate", "std_error", "df"), function(name) {
        reported(one$analysis, one$outcome, "", at[2], at[1], reference, name)
      }, numeric(1))
      gap_kr <- max(gap_kr, abs(found[1] - ours[1]) / ours[2], abs(found[2:3] / ours[2:3] - 1))
    }
    line <- sprintf("%s   mmrm %.0e", line, gap_kr)
    gap <- max(gap, gap_kr)
  }
  if (is.na(gap)) stop(paste(one$analysis, one$outcome, ": the results have no such fit"))
  worst <- max(worst, gap)
  cat(line, "\n", sep = "")
}
if (!with_mmrm) cat("R's mmrm is not installed: Kenward-Roger was not compared\n")
cat(sprintf("largest relative difference %.0e, limit %.0e: %s\n", worst, LIMIT, if (worst < LIMIT) "agree" else "DIFFER"))
quit(status = if (worst < LIMIT) 0 else 1)
