{{ config(
    unique_key=['instrument_id', 'trade_date'],
    meta={'window_column': 'trade_date'},
    indexes=[{'columns': ['instrument_id', 'trade_date'], 'unique': true}, {'columns': ['trade_date']}],
) }}
-- depends_on: {{ ref('stg_instrument_aliases') }}
{% set windowed = is_windowed() %}

with bars as (
    select * from {{ ref('int_daily_bars_chosen') }}
    {% if windowed %}where {{ within_window('trade_date') }}{% endif %}
),

quoted as (
    select distinct on (instrument_id)
        instrument_id,
        currency_code
    from {{ ref('stg_instruments') }}
    where currency_code is not null
    order by
        instrument_id,
        {{ source_rank() }},
        source,
        source_symbol
),

-- Dividends in the currency that the share is quoted in, by the last rates of the ex-date; nothing where none is known.
actions as (
    select
        chosen.instrument_id,
        chosen.ex_date,
        chosen.split_ratio,
        case
            when chosen.dividend_currency_code <> quoted.currency_code
                then coalesce(chosen.dividend_amount * paid_in.exchange_rate / quoted_in.exchange_rate, 0)
            else chosen.dividend_amount
        end as dividend_amount
    from {{ ref('int_corporate_actions_chosen') }} as chosen
    left join quoted on chosen.instrument_id = quoted.instrument_id
    {% for rate, currency_code in (
        ('paid_in', 'chosen.dividend_currency_code'), ('quoted_in', 'quoted.currency_code')
    ) %}
        left join lateral (
            select rates.exchange_rate
            from {{ ref('fct_exchange_rates') }} as rates
            where
                chosen.dividend_currency_code <> quoted.currency_code
                and rates.currency_code = {{ currency_code }}
                and rates.as_of_date between chosen.ex_date - 7 and chosen.ex_date
            order by rates.as_of_date desc
            limit 1
        ) as {{ rate }} on true
    {% endfor %}
    {% if windowed %}where chosen.ex_date <= {{ window_last() }}{% endif %}
),

-- A source that has named no dividend yet does not say that there was none.
dividend_sources as (
    select
        source,
        min(ex_date) as first_ex_date
    from {{ ref('stg_dividends') }}
    group by source
),

-- Where each instrument stood before the window: its last bar, and the last one that can be trusted.
standing as (
    {% if windowed %}
        select
            last_bar.*,
            trusted.close_adj as trusted_close_adj,
            trusted.price_segment as trusted_segment
        from (select distinct instrument_id from {{ ref('stg_instrument_aliases') }}) as aliases
        cross join
            lateral (
                select
                    instrument_id,
                    trade_date,
                    source,
                    adjustment,
                    close_raw,
                    session_number,
                    adjustment_factor,
                    split_factor,
                    price_segment
                from {{ this }}
                where instrument_id = aliases.instrument_id and trade_date < {{ window_first() }}
                order by trade_date desc
                limit 1
            ) as last_bar
        left join lateral (
            select
                close_adj,
                price_segment
            from {{ this }}
            where
                instrument_id = aliases.instrument_id
                and trade_date < {{ window_first() }}
                and not is_suspect
            order by trade_date desc
            limit 1
        ) as trusted on true
    {% else %}
        select
            null::text as instrument_id,
            null::date as trade_date,
            null::text as source,
            null::text as adjustment,
            null::double precision as close_raw,
            null::integer as session_number,
            null::double precision as adjustment_factor,
            null::double precision as split_factor,
            null::integer as price_segment,
            null::double precision as trusted_close_adj,
            null::integer as trusted_segment
        where false
    {% endif %}
),

-- Actions lie between the bars, before the bar of their day, so that one on a day without a bar counts at the next bar.
stream as (
    select
        bars.*,
        true as is_bar,
        null::double precision as split_ratio,
        null::double precision as dividend_amount
    from bars
    union all
    select
        actions.instrument_id,
        actions.ex_date as trade_date,
        null as source,
        null as currency_code,
        null as adjustment,
        null as open,
        null as high,
        null as low,
        null as close,
        null as volume_shares,
        null as is_suspect,
        null as is_unadjusted_split,
        false as is_bar,
        actions.split_ratio,
        actions.dividend_amount
    from actions
    left join standing on actions.instrument_id = standing.instrument_id
    where standing.trade_date is null or actions.ex_date > standing.trade_date
),

numbered as (
    select
        stream.*,
        (count(*) filter (where is_bar) over by_day - is_bar::integer)::integer as bars_before
    from stream
    window by_day as (partition by instrument_id order by trade_date, is_bar)
),

gathered as (
    select
        numbered.*,
        marts.product(split_ratio) over between_bars as bar_split_ratio,
        coalesce(sum(dividend_amount) over between_bars, 0) as bar_dividend_amount
    from numbered
    window between_bars as (partition by instrument_id, bars_before order by trade_date, is_bar)
),

followed as (
    select
        gathered.*,
        standing.session_number as standing_session_number,
        standing.adjustment_factor as standing_adjustment_factor,
        standing.split_factor as standing_split_factor,
        standing.price_segment as standing_segment,
        standing.trusted_close_adj as standing_trusted_close_adj,
        standing.trusted_segment as standing_trusted_segment,
        coalesce(lag(case when gathered.adjustment = 'none' then gathered.close end) over by_bar, standing.close_raw)
            as previous_close_raw,
        coalesce(lag(gathered.adjustment) over by_bar, standing.adjustment) as previous_adjustment,
        coalesce(lag(gathered.source) over by_bar, standing.source) as previous_source,
        gathered.bars_before - max(gathered.bars_before) filter (where not gathered.is_suspect) over before_bar
            as bars_to_trusted
    from gathered
    left join standing on gathered.instrument_id = standing.instrument_id
    where gathered.is_bar
    window
        by_bar as (partition by gathered.instrument_id order by gathered.bars_before),
        before_bar as (by_bar rows between unbounded preceding and 1 preceding)
),

-- Only prices as traded are adjusted by us; the first bar is the anchor and has no bar before.
judged as (
    select
        followed.*,
        case when previous_close_raw is not null and adjustment = 'none' then bar_split_ratio else 1 end
            as split_multiplier,
        case
            when adjustment = 'none' and bar_dividend_amount * bar_split_ratio < previous_close_raw
                then 1 / (1 - bar_dividend_amount * bar_split_ratio / previous_close_raw)
            else 1
        end as dividend_multiplier,
        (
            is_unadjusted_split
            or adjustment is distinct from coalesce(previous_adjustment, adjustment)
            or (adjustment <> 'none' and source is distinct from coalesce(previous_source, source))
        ) as is_segment_start
    from followed
),

multiplied as (
    select
        judged.*,
        marts.product(
            case when bars_before = 0 then coalesce(standing_adjustment_factor, 1) else 1 end
            * (split_multiplier * dividend_multiplier)
        ) over by_bar as adjustment_factor,
        marts.product(
            case when bars_before = 0 then coalesce(standing_split_factor, 1) else 1 end * split_multiplier
        ) over by_bar as split_factor,
        (coalesce(standing_segment, 0) + count(*) filter (where is_segment_start) over by_bar)::integer
            as price_segment
    from judged
    window by_bar as (partition by instrument_id order by bars_before)
),

returned as (
    select
        multiplied.*,
        coalesce(lag(close * adjustment_factor, bars_to_trusted) over by_bar, standing_trusted_close_adj)
            as trusted_close_adj,
        coalesce(lag(price_segment, bars_to_trusted) over by_bar, standing_trusted_segment) as trusted_segment
    from multiplied
    window by_bar as (partition by instrument_id order by bars_before)
),

daily_prices as (
    select
        -- ids
        returned.instrument_id,
        returned.trade_date,
        returned.source,
        returned.currency_code,
        returned.adjustment,
        -- numerics
        case when returned.adjustment = 'none' then returned.open end as open_raw,
        case when returned.adjustment = 'none' then returned.high end as high_raw,
        case when returned.adjustment = 'none' then returned.low end as low_raw,
        case when returned.adjustment = 'none' then returned.close end as close_raw,
        returned.volume_shares,
        returned.adjustment_factor,
        returned.split_factor,
        returned.open * returned.adjustment_factor as open_adj,
        returned.high * returned.adjustment_factor as high_adj,
        returned.low * returned.adjustment_factor as low_adj,
        returned.close * returned.adjustment_factor as close_adj,
        returned.volume_shares / returned.split_factor as volume_adj,
        case
            when not returned.is_suspect and returned.price_segment = returned.trusted_segment
                then returned.close * returned.adjustment_factor / returned.trusted_close_adj - 1
        end as return_1d,
        returned.close * returned.volume_shares as dollar_volume,
        case when dividend_sources.first_ex_date <= returned.trade_date then returned.bar_dividend_amount end
            as dividend_amount,
        returned.price_segment,
        coalesce(returned.standing_session_number, 0) + returned.bars_before + 1 as session_number,
        -- flags
        returned.is_suspect
    from returned
    left join dividend_sources on returned.source = dividend_sources.source
)

select * from daily_prices
