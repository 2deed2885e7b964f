//! Agenda, time, chance.
