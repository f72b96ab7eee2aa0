-- Days with a bar are sessions. Each step jumps to the next by the index; reading all bars would cost their number.
with recursive sessions as (
    select min(trade_date) as session_date
    from {{ ref('stg_daily_bars') }}
    union all
    select
        (
            select min(bars.trade_date)
            from {{ ref('stg_daily_bars') }} as bars
            where bars.trade_date > sessions.session_date
        ) as session_date
    from sessions
    where sessions.session_date is not null
),

followed as (
    select
        session_date,
        lag(session_date) over (order by session_date) as previous_session_date
    from sessions
    where session_date is not null
),

mapped as (
    select
        days.calendar_date::date as calendar_date,
        followed.session_date,
        followed.previous_session_date
    from followed
    cross join lateral generate_series(
        coalesce(followed.previous_session_date + 1, followed.session_date)::timestamp,
        followed.session_date::timestamp,
        interval '1 day'
    ) as days (calendar_date)
)

select * from mapped
