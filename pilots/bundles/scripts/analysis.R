# @TITLE@: the two-way and group-time effects of run @RUN@ with base R alone, beside the run's own numbers.
# Run it in the bundle's folder: Rscript analysis.R. It needs no package. All numbers go to analysis_r.csv. The exit status is 1
# where one differs by more than one part in 1e8. Errors are clustered ones (CR1) and stand beside those of the run that are the same.
tolerance <- 1e-8
text <- c(period = "character", first_treated = "character", cohort = "character", region = "character")
read <- function(path) read.csv(path, encoding = "UTF-8", colClasses = text[names(text) %in% names(read.csv(path, nrows = 1))])
kept <- new.env()
once <- function(key, make) { # what was worked out already
  if (!exists(key, kept)) assign(key, make, kept)
  get(key, kept)
}

# The cells of an outcome that have a figure; the labels of all periods.
panel_of <- function(outcome) once(paste("panel", outcome), {
  whole <- read(file.path("panel", paste0(outcome, ".csv")))
  list(cells = whole[whole$first_time != 1 & whole$weight > 0 & !is.na(whole$value), ],
       periods = whole$period[match(sort(unique(whole$time)), whole$time)])
})

# Two-way fixed effects by weighted least squares: effects by event time ("all" is the one effect of overall, or the average), with
# errors by cluster. Their factor is G/(G - 1) times (n - 1)/(n - k), where k counts effects and periods, and not the authorities,
# which lie within clusters.
two_way <- function(outcome, aggregate, cluster) once(paste("two-way", outcome, aggregate, cluster), {
  cells <- panel_of(outcome)$cells
  times <- if (aggregate == "overall") "all" else setdiff(sort(unique(cells$event_time)), -1)
  x <- if (aggregate == "overall") cbind(cells$post) else sapply(times, function(one) as.numeric(cells$event_time %in% one))
  fixed <- model.matrix(~ factor(unit) + factor(time), cells)
  less <- lm.wfit(fixed, cbind(cells$value, x), cells$weight)$residuals # less what authorities and periods say
  y <- less[, 1]
  x <- less[, -1, drop = FALSE]
  inverse <- solve(crossprod(x, cells$weight * x))
  estimate <- drop(inverse %*% crossprod(x, cells$weight * y))
  scores <- rowsum((cells$weight * drop(y - x %*% estimate)) * x %*% inverse, cells[[cluster]])
  groups <- nrow(scores)
  n <- nrow(cells)
  covariance <- crossprod(scores) * groups / (groups - 1) * (n - 1) / (n - ncol(x) - length(unique(cells$time)))
  found <- rbind(estimate = estimate, error = sqrt(diag(covariance)))
  colnames(found) <- times
  after <- if (aggregate == "overall") logical(0) else times >= 0
  if (any(after)) found <- cbind(found, all = c(mean(estimate[after]), sqrt(mean(covariance[after, after]))))
  found
})

# Every group-time effect as a difference of differences of means. Scores, members and entered are authorities x effects: an effect's
# error is the root of the sum of squares of its scores by cluster; members belong to the cohort; entered are in the means.
group_time <- function(outcome, control, base_period, by_region) once(paste(outcome, control, base_period, by_region), {
  panel <- panel_of(outcome)
  cells <- panel$cells[order(panel$cells$unit, panel$cells$time), ]
  who <- cells[!duplicated(cells$unit), ] # with their weight when first seen
  times <- seq_along(panel$periods)
  value <- matrix(NA_real_, nrow(who), length(times))
  value[cbind(match(cells$unit, who$unit), cells$time)] <- cells$value
  start <- ifelse(who$first_time > 0, who$first_time, Inf)
  if (all(is.finite(start))) { # nobody is without the reform throughout: the last to start compare, up to their start
    times <- times[times < max(start)]
    start[start == max(start)] <- Inf
  }
  effects <- data.frame()
  scores <- members <- entered <- NULL
  for (cohort in sort(unique(start[is.finite(start)]))) {
    for (time in if (base_period == "universal") times else times[-1]) {
      base <- if (base_period == "universal" || time >= cohort) cohort - 1 else time - 1
      others <- if (control == "never_treated") is.infinite(start) else start > max(time, base) & start != cohort
      change <- value[, time] - value[, base]
      seen <- !is.na(change)
      change[!seen] <- 0
      for (place in if (by_region) sort(unique(who$region[start == cohort])) else NA) {
        own <- start == cohort & (is.na(place) | who$region == place)
        treated <- own & seen
        compare <- others & seen
        if (!any(treated) || !any(compare)) next
        share <- function(side) who$weight * side / sum(who$weight * side)
        means <- c(sum(share(treated) * change), sum(share(compare) * change))
        effects <- rbind(effects, data.frame(cohort = cohort, time = time, event = time - cohort, region = place,
                                             estimate = means[1] - means[2], size = sum(who$weight * own)))
        scores <- cbind(scores, share(treated) * (change - means[1]) - share(compare) * (change - means[2]))
        members <- cbind(members, own)
        entered <- cbind(entered, treated | compare)
      }
    }
  }
  list(effects = effects, scores = scores, members = members, entered = entered, who = who)
})

# The mean of the effects that are kept by the size of their cohorts. The sizes are estimated too: an authority more moves the mean
# towards its own cohort's effect.
averaged <- function(found, keep) {
  size <- found$effects$size * keep
  estimate <- sum(size * found$effects$estimate) / sum(size)
  moved <- found$members[, keep, drop = FALSE] %*% (found$effects$estimate[keep] - estimate) / sum(size)
  list(estimate = estimate, scores = drop(found$scores %*% size / sum(size) + found$who$weight * moved),
       entered = rowSums(found$entered[, keep, drop = FALSE]) > 0)
}

# The mean of averages, by sizes that are estimated where `members` says whose they are, else plain.
mean_of <- function(parts, size = rep(1, length(parts)), who = NULL, members = NULL) {
  each <- sapply(parts, `[[`, "estimate")
  estimate <- sum(size * each) / sum(size)
  moved <- if (is.null(members)) 0 else who$weight * members %*% (each - estimate) / sum(size)
  list(estimate = estimate, scores = drop(sapply(parts, `[[`, "scores") %*% size / sum(size) + moved),
       entered = rowSums(sapply(parts, `[[`, "entered")) > 0)
}

# One row of the run from its group-time effects.
aggregated <- function(found, row, periods) {
  effects <- found$effects
  after <- effects$event >= 0
  at <- function(label) match(label, periods)
  switch(row$aggregate,
    overall = averaged(found, after),
    cells = averaged(found, effects$cohort == at(row$cohort) & effects$time == at(row$period)),
    region = averaged(found, after & (is.na(row$region) | effects$region == row$region)),
    event_time = if (!is.na(row$event_time)) averaged(found, effects$event == row$event_time) else
      mean_of(lapply(sort(unique(effects$event[after])), function(one) averaged(found, effects$event == one))),
    calendar = if (row$period != "") averaged(found, after & effects$time == at(row$period)) else
      mean_of(lapply(sort(unique(effects$time[after])), function(one) averaged(found, after & effects$time == one))),
    cohort = if (row$cohort != "") averaged(found, after & effects$cohort == at(row$cohort)) else {
      cohorts <- unique(effects$cohort[after])
      first <- match(cohorts, effects$cohort)
      mean_of(lapply(cohorts, function(one) averaged(found, after & effects$cohort == one)),
              effects$size[first], found$who, found$members[, first, drop = FALSE])
    })
}

clustered <- function(one, clusters) { # with the factor G/(G - 1)
  groups <- length(unique(clusters[one$entered]))
  if (groups > 1) sqrt(sum(rowsum(one$scores, clusters)^2) * groups / (groups - 1)) else NA
}

option <- function(options, name, default) {
  found <- regmatches(options, regexec(paste0('"', name, '":"([a-z_]+)"'), options))[[1]]
  if (length(found)) found[2] else default
}

# Estimate and error of one row of the run (no error where the run's is of another kind); NULL where this script does not cover it.
found_by <- function(row) {
  plain <- row$inference == "clustered"
  panel <- panel_of(row$outcome)
  if (row$estimator == "two_way_fixed_effects" && row$options == "{}" && row$aggregate %in% c("overall", "event_time")) {
    name <- if (is.na(row$event_time)) "all" else as.character(row$event_time)
    found <- two_way(row$outcome, row$aggregate, row$cluster)[, name]
    return(c(found[1], if (plain) found[2] else NA))
  }
  others <- gsub('"(control|base)":"[a-z_]+"', "", row$options) # what is left when control and base are taken away
  if (row$estimator != "group_time" || !others %in% c("{}", "{,}") || any(startsWith(names(panel$cells), "covariate_"))) return(NULL)
  found <- group_time(row$outcome, option(row$options, "control", "never_treated"), option(row$options, "base", "varying"),
                      row$aggregate == "region")
  one <- aggregated(found, row, panel$periods)
  c(one$estimate, if (plain) clustered(one, found$who[[row$cluster]]) else NA)
}

far <- function(mine, theirs) ifelse(is.na(theirs), 0, abs(mine - theirs) / pmax(1, abs(theirs)))

expected <- read("expected.csv")
expected <- expected[expected$kind != "reference", ]
expected$region[expected$region == ""] <- NA
rows <- list()
for (number in seq_len(nrow(expected))) {
  row <- expected[number, ]
  found <- found_by(row)
  if (is.null(found)) next
  label <- row[c("outcome", "estimator", "aggregate", "cluster", "event_time", "cohort", "period", "region")]
  gap <- max(far(found[1], row$estimate), if (row$inference == "clustered") far(found[2], row$std_error))
  rows[[length(rows) + 1]] <- cbind(label, estimate = found[1], run = row$estimate, std_error = found[2],
                                    run_std_error = row$std_error, apart = gap, row.names = NULL)
}
if (!length(rows)) {
  cat("None of the run's estimates (", nrow(expected), ") is one that this script covers: see README.md.\n", sep = "")
  quit(status = 0)
}
table <- do.call(rbind, rows)
write.csv(table, "analysis_r.csv", row.names = FALSE, na = "")
options(width = 160)
print(table[table$aggregate == "overall", !names(table) %in% c("event_time", "cohort", "period", "region")], row.names = FALSE)
cat(nrow(table), " of ", nrow(expected), " estimates and ", sum(!is.na(table$std_error) & !is.na(table$run_std_error)),
    " of their errors worked out anew. The largest difference is ", format(max(table$apart), digits = 2), ".\n", sep = "")
if (is.na(max(table$apart)) || max(table$apart) > tolerance) quit(status = 1)
