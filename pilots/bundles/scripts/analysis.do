* @TITLE@: the two-way and group-time effects of run @RUN@.
* Run it in the bundle's folder: do analysis.do
* Needs reghdfe, ftools, csdid and drdid (ssc install NAME). xtdidregress is part of Stata 17 and later; before, it is left out.
* The run's own numbers are listed first. Errors of reghdfe are those of the run by authority and by region; csdid's have no small-sample factor.
version 14
clear all
set more off
foreach outcome in @OUTCOMES_STATA@ {
    display as text _newline "`outcome': in the run"
    import delimited using "expected.csv", clear varnames(1) bindquotes(strict) encoding("utf-8")
    keep if outcome == "`outcome'" & aggregate == "overall" & inlist(estimator, "two_way_fixed_effects", "group_time")
    format estimate std_error %12.0g
    list estimator cluster inference estimate std_error, noobs abbreviate(32) string(24)

    use "panel/`outcome'.dta", clear
    drop if first_time == 1 | weight == 0 | missing(value)
    xtset unit time

    display as text _newline "`outcome': two-way fixed effects, clustered by region and by authority"
    reghdfe value post [aweight = weight], absorb(unit time) vce(cluster region_number) keepsingletons
    reghdfe value post [aweight = weight], absorb(unit time) vce(cluster unit) keepsingletons

    display as text _newline "`outcome': event study, the period before the start as reference, clustered by region"
    summarize event_time, meanonly
    local shift = -r(min)
    local reference = `shift' - 1
    generate int event = cond(missing(event_time), `reference', event_time + `shift')
    reghdfe value ib`reference'.event [aweight = weight], absorb(unit time) vce(cluster region_number) keepsingletons

    display as text _newline "`outcome': group-time effects"
    csdid value [iweight = weight], ivar(unit) time(time) gvar(first_time) method(reg)@CONTROL_STATA@@BASE_STATA@
    estat simple
    estat event

    if c(stata_version) >= 17 {
        display as text _newline "`outcome': Stata's own difference in differences, all authorities alike"
        version 17: xtdidregress (value) (post), group(unit) time(time)
    }
}
