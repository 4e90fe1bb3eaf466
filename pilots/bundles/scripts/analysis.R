# @TITLE@: the two-way and group-time effects of run @RUN@ with fixest and did.
# Run it in the bundle's folder: Rscript analysis.R. Needs the packages fixest and did.
library(fixest)
library(did)

expected <- read.csv("expected.csv")
for (outcome in c(@OUTCOMES_R@)) {
  panel <- read.csv(file.path("panel", paste0(outcome, ".csv")))
  panel <- panel[panel$first_time != 1 & panel$weight > 0 & !is.na(panel$value), ]
  panel$event <- ifelse(is.na(panel$event_time), -1000, panel$event_time) # fixest: no event time for those that never start
  for (cluster in c("region", "authority")) {
    by <- as.formula(paste0("~", cluster))
    static <- feols(value ~ post | unit + time, data = panel, weights = ~weight, cluster = by)
    study <- feols(value ~ i(event, ref = c(-1, -1000)) | unit + time, data = panel, weights = ~weight, cluster = by)
    mine <- expected[expected$outcome == outcome & expected$estimator == "two_way_fixed_effects" &
                       expected$cluster == cluster & expected$aggregate == "overall", ]
    cat(outcome, "by", cluster, ": two-way", coef(static)[["post"]], "error", se(static)[["post"]],
        "; in the run", mine$estimate, "error", mine$std_error, "\n")
    print(coeftable(study))
  }
  effects <- att_gt(yname = "value", tname = "time", idname = "unit", gname = "first_time", data = panel,
                    control_group = "@CONTROL_R@", base_period = "@BASE_R@", weightsname = "weight",
                    allow_unbalanced_panel = TRUE, bstrap = FALSE, cband = FALSE)
  overall <- aggte(effects, type = "simple", bstrap = FALSE, cband = FALSE, na.rm = TRUE)
  mine <- expected[expected$outcome == outcome & expected$estimator == "group_time" & expected$aggregate == "overall", ]
  cat(outcome, ": group-time", overall$overall.att, "; in the run", unique(mine$estimate), "\n")
  print(aggte(effects, type = "dynamic", bstrap = FALSE, cband = FALSE, na.rm = TRUE))
}
