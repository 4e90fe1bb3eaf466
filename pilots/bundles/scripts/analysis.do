* @TITLE@: the two-way and group-time effects of run @RUN@.
* Run it in the bundle's folder: do analysis.do
* Needs reghdfe, ftools, csdid and drdid (ssc install NAME). xtdidregress is part of Stata 17 and later.
version 14
clear all
foreach outcome in @OUTCOMES_STATA@ {
    use "panel/`outcome'.dta", clear
    drop if first_time == 1 | weight == 0 | missing(value)
    xtset unit time

    display as text "`outcome': two-way fixed effects"
    reghdfe value post [aweight = weight], absorb(unit time) vce(cluster region_number)
    reghdfe value post [aweight = weight], absorb(unit time) vce(cluster unit)

    display as text "`outcome': event study, the period before the start as reference, clustered by region"
    summarize event_time, meanonly
    local shift = -r(min)
    local reference = `shift' - 1
    generate int event = cond(missing(event_time), `reference', event_time + `shift')
    reghdfe value ib`reference'.event [aweight = weight], absorb(unit time) vce(cluster region_number)

    display as text "`outcome': group-time effects"
    csdid value [weight = weight], ivar(unit) time(time) gvar(first_time) method(reg)@CONTROL_STATA@@BASE_STATA@
    estat simple
    estat event

    display as text "`outcome': Stata's own difference in differences"
    xtdidregress (value) (post), group(unit) time(time)
}
