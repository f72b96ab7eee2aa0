with aliases as (
    select * from {{ ref('stg_instrument_aliases') }}
),

calendar_days as (
    select * from {{ ref('int_calendar_days_mapped') }}
),

annual as (
    select
        fundamentals.*,
        fundamentals.published_at at time zone '{{ setting("session_timezone", "America/New_York") }}'
            as published_local
    from {{ ref('stg_fundamentals') }} as fundamentals
    where fundamentals.statement = 'annual'
),

-- What is published at or after the close counts from the next session.
dated as (
    select
        annual.*,
        (
            annual.published_local::date
            + (annual.published_local::time >= {{ session_close('annual.published_local::date') }})::integer
        ) as countable_date
    from annual
),

-- What is published after the last session counts from a session that has not come yet, and is left out until it has.
known as (
    select
        aliases.instrument_id,
        calendar_days.session_date as known_from_date,
        {{ source_rank('dated.source') }} as source_rank,
        dated.*
    from dated
    inner join aliases
        on
            dated.source = aliases.source
            and dated.source_symbol = aliases.source_symbol
            and dated.published_local::date >= aliases.valid_from_date
            and (aliases.valid_to_date is null or dated.published_local::date <= aliases.valid_to_date)
    inner join calendar_days
        on
            calendar_days.calendar_date
            = greatest(dated.countable_date, (select min(days.calendar_date) from calendar_days as days))
)

select * from known
