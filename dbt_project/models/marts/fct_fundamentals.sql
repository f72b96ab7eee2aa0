{{ config(
    unique_key=['instrument_id', 'known_from_date'],
    indexes=[{'columns': ['instrument_id', 'known_from_date'], 'unique': true}],
) }}

with facts as (
    select * from {{ ref('int_fundamentals_known') }}
),

calendar_days as (
    select * from {{ ref('int_calendar_days_mapped') }}
),

instruments as (
    select * from {{ ref('dim_instruments') }}
),

splits as (
    select
        instrument_id,
        ex_date,
        split_ratio
    from {{ ref('int_corporate_actions_chosen') }}
    where split_ratio <> 1
),

changes as (
    select distinct
        instrument_id,
        known_from_date
    from facts
),

-- Of the facts known the latest period, of it the latest revision: a restated old period does not displace a newer one.
current_facts as (
    select distinct on (changes.instrument_id, changes.known_from_date)
        facts.*,
        changes.known_from_date as counts_from_date
    from changes
    inner join facts
        on changes.instrument_id = facts.instrument_id and changes.known_from_date >= facts.known_from_date
    order by
        changes.instrument_id asc,
        changes.known_from_date asc,
        facts.period_end_date desc,
        facts.source_rank asc,
        facts.published_at desc,
        facts.source asc,
        facts.source_symbol asc
),

-- A fiscal year of 52 or 53 weeks ends some days off; 20 days do not reach another year's end.
year_ago as (
    select distinct on (current_facts.instrument_id, current_facts.counts_from_date)
        current_facts.instrument_id,
        current_facts.counts_from_date,
        facts.revenue,
        facts.net_income,
        facts.total_assets
    from current_facts
    inner join facts
        on
            current_facts.instrument_id = facts.instrument_id
            and current_facts.counts_from_date >= facts.known_from_date
            and facts.period_end_date between current_facts.period_end_date - 385
            and current_facts.period_end_date - 345
    order by
        current_facts.instrument_id asc,
        current_facts.counts_from_date asc,
        abs(current_facts.period_end_date - facts.period_end_date - 365) asc,
        facts.source_rank asc,
        facts.published_at desc,
        facts.source asc,
        facts.source_symbol asc
),

five_years_ago as (
    select distinct on (current_facts.instrument_id, current_facts.counts_from_date)
        current_facts.instrument_id,
        current_facts.counts_from_date,
        facts.revenue
    from current_facts
    inner join facts
        on
            current_facts.instrument_id = facts.instrument_id
            and current_facts.counts_from_date >= facts.known_from_date
            and facts.period_end_date between current_facts.period_end_date - 1846
            and current_facts.period_end_date - 1806
    order by
        current_facts.instrument_id asc,
        current_facts.counts_from_date asc,
        abs(current_facts.period_end_date - facts.period_end_date - 1826) asc,
        facts.source_rank asc,
        facts.published_at desc,
        facts.source asc,
        facts.source_symbol asc
),

-- Splits between the period's end and the first bar, either way round: one reported share in shares of the first bar.
share_units as (
    select
        current_facts.instrument_id,
        current_facts.counts_from_date,
        marts.product(
            case
                when splits.ex_date > current_facts.period_end_date then splits.split_ratio
                else 1 / splits.split_ratio
            end
            order by splits.ex_date
        ) as shares_per_reported
    from current_facts
    inner join instruments on current_facts.instrument_id = instruments.instrument_id
    inner join splits
        on
            current_facts.instrument_id = splits.instrument_id
            and splits.ex_date > least(current_facts.period_end_date, instruments.first_trade_date)
            and splits.ex_date <= greatest(current_facts.period_end_date, instruments.first_trade_date)
    group by current_facts.instrument_id, current_facts.counts_from_date
),

bounded as (
    select
        current_facts.*,
        calendar_days.previous_session_date as known_to_date
    from (
        select
            current_facts.*,
            lead(counts_from_date) over (partition by instrument_id order by counts_from_date) as next_from_date
        from current_facts
    ) as current_facts
    left join calendar_days on current_facts.next_from_date = calendar_days.calendar_date
),

fundamentals as (
    select
        -- ids
        bounded.instrument_id,
        bounded.statement,
        bounded.source,
        bounded.currency_code,
        -- dates and timestamps
        bounded.period_end_date,
        bounded.published_at,
        bounded.published_at_basis,
        bounded.counts_from_date as known_from_date,
        bounded.known_to_date,
        -- numerics
        bounded.fiscal_year,
        bounded.revenue,
        bounded.cost_of_revenue,
        bounded.gross_profit,
        bounded.operating_income,
        bounded.net_income,
        bounded.eps,
        bounded.shares_outstanding,
        bounded.shares_outstanding * coalesce(share_units.shares_per_reported, 1) as shares_outstanding_adj,
        bounded.total_assets,
        bounded.total_liabilities,
        bounded.total_equity,
        bounded.current_assets,
        bounded.current_liabilities,
        bounded.cash,
        bounded.short_term_debt,
        bounded.long_term_debt,
        bounded.operating_cash_flow,
        bounded.capex,
        bounded.depreciation,
        bounded.interest_expense,
        year_ago.revenue as revenue_1y_ago,
        year_ago.net_income as net_income_1y_ago,
        year_ago.total_assets as total_assets_1y_ago,
        five_years_ago.revenue as revenue_5y_ago
    from bounded
    left join year_ago using (instrument_id, counts_from_date)
    left join five_years_ago using (instrument_id, counts_from_date)
    left join share_units using (instrument_id, counts_from_date)
)

select * from fundamentals
