{{ config(
    unique_key=['currency_code', 'as_of_date'],
    indexes=[{'columns': ['currency_code', 'as_of_date'], 'unique': true}],
) }}
{% set reporting = "'" ~ setting('reporting_currency', 'USD') ~ "'" %}

with rates as (
    select distinct on (base_currency_code, quote_currency_code, rate_date)
        base_currency_code,
        quote_currency_code,
        rate_date,
        exchange_rate
    from {{ ref('stg_fx_rates') }}
    order by
        base_currency_code,
        quote_currency_code,
        rate_date,
        {{ source_rank() }},
        source
),

calendar_days as (
    select * from {{ ref('int_calendar_days_mapped') }}
),

-- Shares that are quoted in pence and the like.
minor_units as (
    select * from (values ('GBX', 'GBP', 100), ('ZAC', 'ZAR', 100), ('ILA', 'ILS', 100))
        as listed (currency_code, major_currency_code, n_per_major)
),

pairs as (
    select
        base_currency_code as from_code,
        quote_currency_code as to_code,
        rate_date,
        exchange_rate,
        0 as n_turns
    from rates
    union all
    select
        quote_currency_code as from_code,
        base_currency_code as to_code,
        rate_date,
        1 / exchange_rate as exchange_rate,
        1 as n_turns
    from rates
),

-- Over another currency where no pair leads to the reporting currency at once.
ways as (
    select
        from_code,
        rate_date,
        exchange_rate,
        n_turns,
        to_code as over_code
    from pairs
    where to_code = {{ reporting }}
    union all
    select
        pairs.from_code,
        pairs.rate_date,
        pairs.exchange_rate * onward.exchange_rate as exchange_rate,
        2 + pairs.n_turns + onward.n_turns as n_turns,
        pairs.to_code as over_code
    from pairs
    inner join pairs as onward
        on
            pairs.to_code = onward.from_code
            and pairs.rate_date = onward.rate_date
            and onward.to_code = {{ reporting }}
    where pairs.from_code <> {{ reporting }} and pairs.to_code <> {{ reporting }}
),

-- A rate of a weekend is the first that Monday knows; of several days the latest counts.
daily as (
    select distinct on (ways.from_code, calendar_days.session_date)
        ways.from_code as currency_code,
        calendar_days.session_date,
        ways.rate_date,
        ways.exchange_rate
    from ways
    inner join calendar_days on ways.rate_date = calendar_days.calendar_date
    order by
        ways.from_code asc,
        calendar_days.session_date asc,
        ways.rate_date desc,
        ways.n_turns asc,
        ways.over_code asc
),

sessions as (
    select distinct session_date from calendar_days
),

currencies as (
    select distinct currency_code from daily
),

numbered as (
    select
        currencies.currency_code,
        sessions.session_date,
        daily.rate_date,
        daily.exchange_rate,
        count(daily.rate_date) over (partition by currencies.currency_code order by sessions.session_date) as n_known
    from currencies
    cross join sessions
    left join daily
        on currencies.currency_code = daily.currency_code and sessions.session_date = daily.session_date
),

carried as (
    select
        currency_code,
        session_date as as_of_date,
        first_value(rate_date) over of_rate as rate_date,
        first_value(exchange_rate) over of_rate as exchange_rate
    from numbered
    where n_known > 0
    window of_rate as (partition by currency_code, n_known order by session_date)
),

major as (
    select * from carried
    where as_of_date - rate_date <= 7
    union all
    select
        {{ reporting }} as currency_code,
        session_date as as_of_date,
        session_date as rate_date,
        1::double precision as exchange_rate
    from sessions
),

exchange_rates as (
    select
        currency_code,
        as_of_date,
        rate_date,
        exchange_rate,
        {{ reporting }} as reporting_currency_code
    from major
    union all
    select
        minor_units.currency_code,
        major.as_of_date,
        major.rate_date,
        major.exchange_rate / minor_units.n_per_major as exchange_rate,
        {{ reporting }} as reporting_currency_code
    from major
    inner join minor_units on major.currency_code = minor_units.major_currency_code
)

select * from exchange_rates
